package boxstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	boltErrors "go.etcd.io/bbolt/errors"

	"kith/internal/relay"
)

// Options of a store.
type Options struct {
	// Cap is how many bytes of the disk the records may take; at least MinBytes.
	Cap int64
	// BlobCap is how many bytes of the disk blobs may take; 0: there are none.
	BlobCap int64
	// Trouble is told [ErrSetAside] or [ErrHead] once for each damaged day, at most one
	// call at a time, from the goroutine that found out; nil: nobody is told.
	// It must not call the store.
	Trouble func(error)

	open opener // tests
}

// Store is an open store. It is safe for concurrent use.
type Store struct {
	dir     string
	options Options
	blobs   blobCount // bytes, with those on their way
	// asideBlobs are the bytes of blobs of days set aside.
	asideBlobs blobCount

	mu     sync.RWMutex // guards what follows; the days guard themselves
	days   []*day       // by number, then directory
	aside  int64        // bytes of days set aside
	dying  []string     // expired directories that could not be removed yet
	closed bool

	queueMu sync.Mutex
	queue   []*waiting
	leading bool // somebody commits

	work sync.Mutex // one commit, compaction or expiry at a time
	told sync.Mutex // around Trouble
}

var _ relay.Store = (*Store)(nil)

// Open opens or makes the store in directory dir and destroys what has expired
// by today, a number of days since 1970. A day that is damaged is set aside. Errors: [ErrInUse], [ErrFull], or
// the system's.
func Open(dir string, today uint32, options Options) (*Store, error) {
	if options.Cap < MinBytes {
		return nil, fmt.Errorf("boxstore: a cap of %d bytes is below %d", options.Cap, int64(MinBytes))
	}
	if options.open == nil {
		options.open = os.OpenFile
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, diskError(err)
	}
	s := &Store{dir: dir, options: options}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, diskError(err)
	}
	if err := s.adoptAll(entries, today); err != nil {
		s.Close()
		return nil, diskError(err)
	}
	s.sort()
	s.aside = s.asideSize()
	return s, nil
}

// adoptAll opens days beside each other: a disk answers several readers sooner than
// one after the other.
func (s *Store) adoptAll(entries []fs.DirEntry, today uint32) error {
	var group sync.WaitGroup
	var mu sync.Mutex
	var all error
	slots := make(chan struct{}, openAtOnce)
	for _, e := range entries {
		slots <- struct{}{}
		group.Go(func() {
			err := s.adopt(e.Name(), today)
			<-slots
			mu.Lock()
			defer mu.Unlock()
			all = errors.Join(all, err)
		})
	}
	group.Wait()
	return all
}

// adopt opens a directory entry, or removes what is over or was never begun.
func (s *Store) adopt(name string, today uint32) error {
	path := filepath.Join(s.dir, name)
	if strings.HasPrefix(name, prefixNew) {
		return os.RemoveAll(path)
	}
	number, ok := dayOf(name)
	if !ok {
		return nil // not ours
	}
	if number < today {
		return destroy(path)
	}
	if _, err := os.Lstat(filepath.Join(path, asideName)); err == nil {
		return nil
	}
	d, err := openDay(path, number, s.options.open)
	switch {
	case errors.Is(err, errGone):
		return destroy(path)
	case errors.Is(err, errDamaged):
		s.mark(path)
		return nil
	case err != nil:
		return err
	}
	if d.heads < 2 {
		// Failing to write them tells again at the next start, and costs nothing else.
		if err := guard(d.writeHeads); errors.Is(err, errDamaged) {
			closeFile(d.db)
			s.mark(path)
			return nil
		}
		s.tell(ErrHead)
	}
	s.mu.Lock()
	s.days = append(s.days, d)
	s.mu.Unlock()
	s.blobs.Add(d.blobs.Load())
	return nil
}

// A day's directory is its number, and a second one after a hyphen: a day that
// was set aside gets another directory.
func dirName(number uint32, generation int) string {
	return strconv.FormatUint(uint64(number), 10) + "-" + strconv.Itoa(generation)
}

func dayOf(name string) (number uint32, ok bool) {
	a, b, found := strings.Cut(name, "-")
	n, err := strconv.ParseUint(a, 10, 32)
	g, err2 := strconv.Atoi(b)
	return uint32(n), found && err == nil && err2 == nil && g >= 0 && dirName(uint32(n), g) == name
}

func (s *Store) sort() {
	slices.SortFunc(s.days, func(a, b *day) int { return int(int64(a.number) - int64(b.number)) })
}

// snapshot returns the days, which the caller must not change.
func (s *Store) snapshot() ([]*day, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	return s.days, nil
}

// Get returns the record of a box, or false when there is none. A record found
// damaged is none.
func (s *Store) Get(box [32]byte) (relay.Record, bool, error) { return s.get(nil, box) }

// Find is [Store.Get] without the cell, but for whether there is one.
func (s *Store) Find(box [32]byte) (ref relay.Ref, cell, ok bool, err error) {
	scratch := values.Get().(*[storedCell]byte)
	r, ok, err := s.get(scratch[:0], box)
	ref, cell = relay.Ref{Box: r.Box, Expiry: r.Expiry, Effort: r.Effort}, r.Cell != nil
	clear(scratch[:])
	values.Put(scratch)
	return ref, cell, ok, err
}

// get is Get; the cell is in scratch, if that has room.
func (s *Store) get(scratch []byte, box [32]byte) (relay.Record, bool, error) {
	days, err := s.snapshot()
	if err != nil {
		return relay.Record{}, false, err
	}
	for _, d := range slices.Backward(days) {
		r, ok, err := d.read(scratch, box, false)
		if errors.Is(err, errDamaged) {
			s.setAside(d)
			continue
		}
		if ok || err != nil {
			return r, ok, err
		}
	}
	return relay.Record{}, false, nil
}

// Settled returns the record of a box if there is one that is durable and of which no
// change is on its way to the disk. Unlike Get it does not wait for who commits, and
// false says nothing: ask Get, after the changes that were asked for before.
func (s *Store) Settled(box [32]byte) (r relay.Record, ok bool) {
	days, err := s.snapshot()
	if err != nil {
		return r, false
	}
	for _, d := range slices.Backward(days) {
		if r, ok, err = d.read(nil, box, true); ok && err == nil {
			return r, true
		}
	}
	return relay.Record{}, false
}

// Lowest visits cells in the order in which they are to be evicted: nearest expiry
// first, then lowest effort. It ends when visit returns false.
func (s *Store) Lowest(visit func(relay.Ref) bool) error {
	days, err := s.snapshot()
	if err != nil {
		return err
	}
	for _, d := range days {
		more, err := d.lowest(visit)
		if errors.Is(err, errDamaged) {
			s.setAside(d)
			continue
		}
		if !more || err != nil {
			return err
		}
	}
	return nil
}

// counted turns bytes of the disk into those in which the machine counts.
func counted(disk int64) int64 {
	return disk/CellBytes*relay.CellCost + disk%CellBytes*relay.CellCost/CellBytes
}

// Usage returns how much is kept, and the cap, as the machine counts: a cell is
// [relay.CellCost] bytes, whatever it takes of the disk.
func (s *Store) Usage() relay.Usage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	u := relay.Usage{Cap: counted(s.options.Cap), Bytes: counted(s.aside)}
	for _, d := range s.days {
		t := d.count()
		u.Records += t.cells
		u.Tombs += t.tombs
		u.Bytes += t.cost()
	}
	return u
}

func (d *day) count() totals {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.state != serving {
		return totals{}
	}
	return d.totals
}

// setAside takes a damaged day out of service and tells, once.
func (s *Store) setAside(d *day) {
	d.mu.Lock()
	first := d.state == serving
	if first {
		d.state = aside
		closeFile(d.db)
		d.db, d.filter = nil, filter{}
	}
	d.mu.Unlock()
	if !first {
		return
	}
	s.mu.Lock()
	s.days = slices.DeleteFunc(slices.Clone(s.days), func(o *day) bool { return o == d })
	s.mu.Unlock()
	s.blobs.Add(-d.blobs.Load()) // what is left of them counts as set aside
	s.mark(d.path)
}

// mark leaves a note that a directory is damaged, so that the next start does
// not tell again; failing that, it tells again.
func (s *Store) mark(path string) {
	if f, err := os.OpenFile(filepath.Join(path, asideName), os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
		f.Close()
	}
	s.mu.Lock()
	s.aside = s.asideSize()
	s.mu.Unlock()
	s.tell(ErrSetAside)
}

// tell tells the operator of a trouble.
func (s *Store) tell(trouble error) {
	if s.options.Trouble != nil {
		s.told.Lock()
		defer s.told.Unlock()
		s.options.Trouble(trouble)
	}
}

// directorySize is what the files of a directory, not of those below it, take or
// seem to.
func directorySize(path string) (size int64) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && !e.IsDir() {
			size += occupied(info)
		}
	}
	return size
}

// Close closes the store. What was acknowledged is durable already.
func (s *Store) Close() error {
	s.work.Lock()
	defer s.work.Unlock()
	s.mu.Lock()
	days := s.days
	s.days, s.closed = nil, true
	s.mu.Unlock()
	var all error
	for _, d := range days {
		all = errors.Join(all, d.end())
	}
	return all
}

// end closes the file and forgets the keys.
func (d *day) end() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.db
	d.state, d.db, d.filter = ended, nil, filter{}
	return closeFile(db)
}

// diskError puts the system's words into ours.
func diskError(err error) error {
	switch {
	case isFull(err):
		return ErrFull
	case errors.Is(err, boltErrors.ErrTimeout):
		return ErrInUse
	case err == nil || err == errUnavailable || err == ErrCap || err == ErrClosed:
		return err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // paths have day numbers, which are nobody's business
	}
	return fmt.Errorf("boxstore: %w", err)
}
