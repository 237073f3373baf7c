package boxstore

import "errors"

// Errors a caller acts on. All are local; none says anything about a record.
var (
	// ErrCap reports changes that would keep more than the cap; nothing of
	// them was done.
	ErrCap = errors.New("boxstore: the cap is reached")
	// ErrFull reports that the disk is full. None of the changes may be
	// acknowledged; nothing that was acknowledged is lost.
	ErrFull = errors.New("boxstore: the disk is full")
	// ErrInUse reports that another process has the store open.
	ErrInUse = errors.New("boxstore: another process has the store open")
	// ErrSetAside reports that a day was found damaged and is not used any
	// more. It is told once for each day.
	ErrSetAside = errors.New("boxstore: a day of the store is damaged and was set aside")
	// ErrHead reports that a day lost one of the two heads of its file, and with it
	// perhaps what was written last. The day goes on. It is told once.
	ErrHead = errors.New("boxstore: a day of the store is damaged; what was written to it last may be lost")
	// ErrClosed reports a store that was closed.
	ErrClosed = errors.New("boxstore: closed")
)

// errUnavailable reports a day whose file could not be opened again after the
// disk failed. The next commit tries once more.
var errUnavailable = errors.New("boxstore: a day's file cannot be read now")
