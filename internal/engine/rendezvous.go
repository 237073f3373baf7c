package engine

import (
	"fmt"

	"kith/box"
	"kith/identity"
	"kith/internal/engine/statepb"
	"kith/internal/rendezvous"
)

// Rendezvous is by what this device and one of a contact find each other.
type Rendezvous struct {
	Device identity.DeviceID
	// Writes are the pairs at whose places this device says where it is: of the
	// stream it writes to and, until the other is known to have been told of
	// that, of the one before.
	Writes []rendezvous.Pair
	// Reads are the pairs at whose places the other does, the likeliest first.
	Reads []rendezvous.Pair
	// Relays are those that the other told of.
	Relays []box.Relay
}

// RendezvousOf returns by what this device and another find each other; there
// may be nothing. The error is local. Spec: rendezvous.md.
func RendezvousOf(v View, d identity.DeviceID) (Rendezvous, error) {
	s := &step{View: v, up: &Update{}}
	row, err := s.streams(d)
	if err != nil {
		return Rendezvous{}, err
	}
	r := Rendezvous{Device: d, Relays: parseRelays(row.GetRelays())}
	for _, out := range []*statepb.Stream{row.GetOut(), row.GetBefore()} {
		if b := out.GetPair(); len(b) == len(rendezvous.Pair{}) {
			r.Writes = append(r.Writes, rendezvous.Pair(b))
		}
	}
	for _, in := range row.GetIn() {
		if b := in.GetPair(); len(b) == len(rendezvous.Pair{}) {
			r.Reads = append(r.Reads, rendezvous.Pair(b))
		}
	}
	return r, nil
}

// AllRendezvous returns them of every device there is a stream with. The error
// is local.
func AllRendezvous(v View) (all []Rendezvous, err error) {
	s := &step{View: v, up: &Update{}}
	keys, err := s.StateKeys(prefixStreams)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		d, ok := deviceIn(k, prefixStreams)
		if !ok {
			return nil, fmt.Errorf("engine: row %s is damaged", prefixStreams)
		}
		if blocked, err := s.blocked(d); err != nil {
			return nil, err
		} else if blocked {
			continue // not told where this device is
		}
		r, err := RendezvousOf(v, d)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// pairOf is the secret for rendezvous of a stream's writer and reader. RV-01.
func pairOf(root [32]byte, writer, reader identity.DeviceID) []byte {
	p := rendezvous.NewPair(root, writer, reader)
	return p[:]
}
