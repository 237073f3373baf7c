package boxstore

import (
	"errors"
	"sync"

	"go.etcd.io/bbolt"

	"kith/internal/relay"
)

// sealed is a change of one day, with everything computed that needs no file.
type sealed struct {
	mark   mark
	effort uint32
	cell   bool
	value  []byte // nil: remove
}

// seal prepares a change.
func (d *day) seal(c relay.Change) sealed {
	if c.Put == nil {
		return sealed{mark: d.keys.mark(c.Remove.Box)}
	}
	m := d.keys.mark(c.Put.Box)
	return sealed{m, c.Put.Effort, c.Put.Cell != nil, d.keys.seal(m, encode(c.Put))}
}

// values are room for sealed cells, used again once they are in the file.
var values = sync.Pool{New: func() any { return new([storedCell]byte) }}

// release gives back the room of changes that bbolt has copied.
func release(changes []sealed) {
	for _, c := range changes {
		if cap(c.value) == storedCell {
			values.Put((*[storedCell]byte)(c.value[:storedCell]))
		}
	}
}

// commit makes changes durable, all or none. After an error of the disk the
// file is opened anew, so that what is served is what the file says; whether
// the changes are in it is not known then.
func (d *day) commit(changes []sealed) error {
	d.mu.Lock()
	if d.state != serving {
		d.mu.Unlock()
		return errUnavailable
	}
	if d.db == nil {
		if err := d.attach(); err != nil {
			d.mu.Unlock()
			return err
		}
	}
	d.moving = make(map[mark]struct{}, len(changes))
	for _, c := range changes {
		d.moving[c.mark] = struct{}{}
		if c.value != nil {
			d.filter.add(c.mark) // before it can be read
		}
	}
	db, t := d.db, d.totals
	d.mu.Unlock()

	var surplus []mark
	size := int64(0)
	err := guard(func() error {
		return db.Update(func(tx *bbolt.Tx) (err error) {
			surplus, err = d.write(tx, changes, &t)
			size = tx.Size()
			return err
		})
	})

	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		err = d.again(err)
		d.moving = nil
		return err
	}
	d.moving = nil
	release(changes)
	for _, m := range surplus {
		d.filter.remove(m)
	}
	d.totals = t
	d.measure(db, size)
	return nil
}

// again closes and opens the file after a failed commit, and writes both heads: the
// disk may have lost one of them.
func (d *day) again(failed error) error {
	closeFile(d.db)
	d.db = nil
	if errors.Is(failed, errDamaged) {
		return failed
	}
	if err := d.attach(); err != nil {
		if errors.Is(err, errDamaged) {
			return err
		}
		return failed
	}
	if d.writeHeads() != nil {
		closeFile(d.db)
		d.db = nil
	}
	return failed
}

// writeHeads writes both of bbolt's meta pages, by two commits of nothing new.
func (d *day) writeHeads() error {
	for range 2 {
		if err := d.db.Update(func(tx *bbolt.Tx) error { return putTotals(tx, d.totals) }); err != nil {
			return err
		}
	}
	return nil
}

// write applies changes in order. It returns the marks that the filter now
// holds once too often: of records that are gone or were replaced.
func (d *day) write(tx *bbolt.Tx, changes []sealed, t *totals) (surplus []mark, err error) {
	cells, ordered := tx.Bucket(bucketCells), tx.Bucket(bucketOrder)
	scratch := make([]byte, 0, cellRecord+tagSize)
	for _, c := range changes {
		if old := cells.Get(c.mark[:]); old != nil {
			r, err := d.decode(scratch, c.mark, old)
			if err != nil {
				return nil, err
			}
			if err := ordered.Delete(orderKey(r.Cell != nil, r.Effort, c.mark)); err != nil {
				return nil, err
			}
			t.count(r.Cell != nil, -1)
			t.sum.add(c.mark)
			surplus = append(surplus, c.mark)
		} else if c.value == nil {
			continue
		}
		if c.value == nil {
			if err := cells.Delete(c.mark[:]); err != nil {
				return nil, err
			}
			continue
		}
		if err := cells.Put(c.mark[:], c.value); err != nil {
			return nil, err
		}
		if err := ordered.Put(orderKey(c.cell, c.effort, c.mark), []byte{}); err != nil {
			return nil, err
		}
		t.count(c.cell, 1)
		t.sum.add(c.mark)
	}
	return surplus, putTotals(tx, *t)
}

func (t *totals) count(cell bool, n int) {
	if cell {
		t.cells += n
	} else {
		t.tombs += n
	}
}
