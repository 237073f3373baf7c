package boxstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	boltErrors "go.etcd.io/bbolt/errors"

	"kith/internal/relay"
)

// Buckets of a day's file.
var (
	bucketCells  = []byte("cells")  // mark -> sealed record
	bucketOrder  = []byte("order")  // kind, effort, mark -> nothing
	bucketTotals = []byte("totals") // one entry
	totalsEntry  = []byte("t")
)

// day is what expires on one day: a directory with a key and a file. Safe for
// concurrent use, but commit and compact have one caller at a time.
type day struct {
	number uint32
	path   string
	keys   *keys
	open   opener
	blobs  blobCount // bytes

	mu     sync.RWMutex // guards what follows
	db     *bbolt.DB    // nil: failed to open again, or ended
	heads  int          // of the file that were sound when it was opened
	filter filter
	totals totals
	state  state
	// Records of which a change is on its way to the disk: bbolt shows it to who
	// begins to read before it is there.
	moving map[mark]struct{}
}

// state is what a day is good for.
type state uint8

const (
	serving state = iota
	aside         // damaged: nothing is read or written any more
	ended         // expired or closed
)

// totals count a day's records.
type totals struct {
	cells, tombs int
	sum          mark  // of the marks of all records
	pages, free  int64 // of the file, in bytes, after the last commit
}

func (t totals) cost() int64 { return int64(t.cells)*relay.CellCost + int64(t.tombs)*relay.TombCost }

// opener opens files for bbolt; tests put failing disks in its place.
type opener func(name string, flag int, mode os.FileMode) (*os.File, error)

// createDay makes an empty day in the directory path, whole or not at all.
func createDay(path string, number uint32, open opener) (*day, error) {
	parent := filepath.Dir(path)
	temp, err := os.MkdirTemp(parent, prefixNew+"*") // mode 0700
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp) // nothing is left there when all goes well
	if err := makeKeyFile(temp); err != nil {
		return nil, err
	}
	making := &day{number: number, path: temp, open: open}
	db, err := making.openFile(fileName)
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketCells, bucketOrder, bucketTotals} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return putTotals(tx, totals{})
	})
	// Closed and opened again under its final name: that is the name bbolt keeps.
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	if err := syncDir(temp); err != nil {
		return nil, err
	}
	if err := os.Rename(temp, path); err != nil {
		return nil, err
	}
	if err := syncDir(parent); err != nil {
		return nil, err
	}
	return openDay(path, number, open)
}

// openDay opens what createDay made. errGone: its end was interrupted;
// errDamaged: it is to be set aside.
func openDay(path string, number uint32, open opener) (*day, error) {
	k, err := readKeys(path, number)
	if err != nil {
		return nil, err
	}
	d := &day{number: number, path: path, keys: k, open: open}
	if err := os.Remove(filepath.Join(path, newFileName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := d.countBlobs(); err != nil {
		return nil, err
	}
	if err := d.attach(); err != nil {
		return nil, err
	}
	return d, nil
}

// attach checks and opens the file and reads what is kept in memory of it.
func (d *day) attach() error {
	name := filepath.Join(d.path, fileName)
	f, err := d.open(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errDamaged // it was there before the directory had its name
	}
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil {
		d.heads, err = checkFile(f, st.Size())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	var db *bbolt.DB
	err = guard(func() (err error) {
		db, err = d.openFile(fileName)
		return err
	})
	if err != nil {
		return err
	}
	if err := d.load(db); err != nil {
		closeFile(db)
		return err
	}
	d.db = db
	return nil
}

func (d *day) openFile(name string) (*bbolt.DB, error) {
	return bbolt.Open(filepath.Join(d.path, name), 0o600, &bbolt.Options{
		Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, PageSize: pageSize, OpenFile: d.open,
	})
}

// load reads totals and marks.
func (d *day) load(db *bbolt.DB) error {
	return guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			t, err := readTotals(tx)
			if err != nil {
				return err
			}
			ordered, cells := tx.Bucket(bucketOrder), tx.Bucket(bucketCells)
			if ordered == nil || cells == nil {
				return errDamaged
			}
			var f filter
			f.reserve(t.cells + t.tombs)
			sum := t.sum
			c := ordered.Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				if len(k) != orderSize {
					return errDamaged
				}
				f.add(mark(k[5:]))
				sum.add(mark(k[5:]))
			}
			// Of a record with another mark than it had nothing would be found, nor missed.
			if f.used != t.cells+t.tombs || sum != (mark{}) {
				return errDamaged
			}
			d.filter, d.totals = f, t
			d.measure(db, tx.Size())
			return nil
		})
	})
}

// measure keeps how large the file is and how much of it is free.
func (d *day) measure(db *bbolt.DB, size int64) {
	s := db.Stats()
	d.totals.pages, d.totals.free = size, int64(s.FreePageN+s.PendingPageN)*pageSize
}

func putTotals(tx *bbolt.Tx, t totals) error {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, totalsSize), uint64(t.cells))
	return tx.Bucket(bucketTotals).Put(totalsEntry, append(binary.BigEndian.AppendUint64(b, uint64(t.tombs)), t.sum[:]...))
}

func readTotals(tx *bbolt.Tx) (totals, error) {
	bucket := tx.Bucket(bucketTotals)
	if bucket == nil {
		return totals{}, errDamaged
	}
	b := bucket.Get(totalsEntry)
	const most = 1 << 40
	if len(b) != totalsSize || binary.BigEndian.Uint64(b) > most || binary.BigEndian.Uint64(b[8:]) > most {
		return totals{}, errDamaged
	}
	return totals{cells: int(binary.BigEndian.Uint64(b)), tombs: int(binary.BigEndian.Uint64(b[8:])), sum: mark(b[16:])}, nil
}

// guard runs what reads a mapped file, where damage shows as a panic of bbolt
// or as a fault, and makes errDamaged of both.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = errDamaged
		}
	}()
	err = fn()
	if errors.Is(err, boltErrors.ErrInvalid) || errors.Is(err, boltErrors.ErrChecksum) || errors.Is(err, boltErrors.ErrVersionMismatch) {
		err = errDamaged
	}
	return err
}

// closeFile closes a file. After a panic bbolt may still hold its own locks:
// then the file stays open until the process ends.
func closeFile(db *bbolt.DB) error {
	if db == nil {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- guard(db.Close) }()
	select {
	case err := <-done:
		return err
	case <-time.After(closeTimeout):
		return nil
	}
}

// get reads a box's record. errDamaged: the day must be set aside.
func (d *day) get(box [32]byte) (r relay.Record, ok bool, err error) {
	return d.read(nil, box, false)
}

// read is get; with settled, of records that no change is on its way of. The cell is in
// scratch, if that has room.
func (d *day) read(scratch []byte, box [32]byte, settled bool) (r relay.Record, ok bool, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.state != serving {
		return r, false, nil
	}
	m := d.keys.mark(box)
	if !d.filter.has(m) {
		return r, false, nil
	}
	if _, moves := d.moving[m]; moves && settled {
		return r, false, nil
	}
	if d.db == nil {
		return r, false, errUnavailable
	}
	err = guard(func() error {
		return d.db.View(func(tx *bbolt.Tx) error {
			sealed := tx.Bucket(bucketCells).Get(m[:])
			if sealed == nil {
				if inOrder(tx, m) {
					return errDamaged
				}
				return nil // another record has this fingerprint
			}
			r, err = d.decode(scratch, m, sealed)
			ok = err == nil
			return err
		})
	})
	return r, ok, err
}

// inOrder reports whether a record of a mark has its entry in order. It looks once for
// each effort there is.
func inOrder(tx *bbolt.Tx, m mark) bool {
	c := tx.Bucket(bucketOrder).Cursor()
	k, _ := c.First()
	for len(k) == orderSize {
		entry := append(slices.Clone(k[:orderSize-markSize]), m[:]...)
		if k, _ = c.Seek(entry); bytes.Equal(k, entry) {
			return true
		}
		last := append(entry[:orderSize-markSize], bytes.Repeat([]byte{0xff}, markSize+1)...)
		k, _ = c.Seek(last)
	}
	return false
}

// decode opens a stored value. The record's cell is in scratch, if that has room.
func (d *day) decode(scratch []byte, m mark, sealed []byte) (relay.Record, error) {
	plain, err := d.keys.open(scratch, m, sealed)
	if err != nil {
		return relay.Record{}, err
	}
	return decode(plain, d.number)
}

// lowest visits the day's cells from the lowest effort on, until visit says
// that it is enough.
func (d *day) lowest(visit func(relay.Ref) bool) (more bool, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.state != serving {
		return true, nil
	}
	if d.db == nil {
		return false, errUnavailable
	}
	more = true
	err = guard(func() error {
		return d.db.View(func(tx *bbolt.Tx) error {
			c, cells := tx.Bucket(bucketOrder).Cursor(), tx.Bucket(bucketCells)
			scratch := make([]byte, 0, cellRecord+tagSize)
			for k, _ := c.First(); k != nil && more; k, _ = c.Next() {
				if len(k) != orderSize {
					return errDamaged
				}
				if k[0] != kindCell {
					break // tombstones are behind
				}
				r, err := d.decode(scratch, mark(k[5:]), cells.Get(k[5:]))
				if err != nil || r.Cell == nil || r.Effort != binary.BigEndian.Uint32(k[1:]) {
					return errDamaged
				}
				more = visit(relay.Ref{Box: r.Box, Expiry: r.Expiry, Effort: r.Effort})
			}
			return nil
		})
	})
	return more, err
}
