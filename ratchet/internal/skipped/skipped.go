// Package skipped keeps the keys of messages that did not come yet: MKSKIPPED of
// the Double Ratchet, and the same for the post-quantum ratchet beside it.
//
// A [Store] is a plain value: whoever changes it works on a [Store.Clone].
package skipped

import (
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"kith/ratchet/internal/kdf"
)

// Size is the length of an encoded key in bytes.
const Size = 8 + 4 + 8 + 8 + kdf.Size

// Key is the key of a message that was skipped.
type Key struct {
	Chain  uint64 // which chain it is of, in the numbering of the owner
	N      uint32 // its number in the chain
	Opened uint64 // how many messages were open when the one that skipped it was
	At     int64  // Unix seconds then
	Secret kdf.Key
}

// Rules bound what is kept.
type Rules struct {
	Stored   int           // keys; beyond it the oldest go
	Messages uint64        // a key goes when so many messages were opened since
	Age      time.Duration // a key older than that goes
}

// expired is exact for every pair of times: the difference of two int64 fits a
// uint64, if it is not negative.
func (r *Rules) expired(k *Key, now int64) bool {
	return now > k.At && uint64(now)-uint64(k.At) > uint64(r.Age/time.Second)
}

// Store is a list of keys, oldest first.
type Store []Key

// Clone copies the store and leaves room for more keys, so that adding them
// leaves no copy behind in memory.
func (s Store) Clone(room uint32) Store {
	n := len(s) + int(room)
	if n == 0 {
		return nil
	}
	return append(make(Store, 0, n), s...)
}

// Find returns the index of the key of message n of a chain, or -1 if it is not
// there or too old at now (Unix seconds).
func (s Store) Find(r *Rules, chain uint64, n uint32, now int64) int {
	return slices.IndexFunc(s, func(k Key) bool { return k.Chain == chain && k.N == n && !r.expired(&k, now) })
}

// Take removes key i and returns its secret.
func (s *Store) Take(i int) kdf.Key {
	secret := (*s)[i].Secret
	clear((*s)[i].Secret[:])
	*s = slices.Delete(*s, i, i+1)
	return secret
}

// Has reports whether any key of a chain is stored.
func (s Store) Has(chain uint64) bool {
	return slices.ContainsFunc(s, func(k Key) bool { return k.Chain == chain })
}

// Expired reports whether any key is too old at now.
func (s Store) Expired(r *Rules, now int64) bool {
	return slices.ContainsFunc(s, func(k Key) bool { return r.expired(&k, now) })
}

// Prune erases the keys that are too old, were skipped too many messages ago,
// or are beyond the number allowed. A time of storing later than now becomes
// now: a clock set back must not prolong a key's life.
func (s *Store) Prune(r *Rules, opened uint64, now int64) {
	for i := range *s {
		(*s)[i].At = min((*s)[i].At, now)
	}
	s.Drop(func(k *Key) bool { return r.expired(k, now) || opened-k.Opened >= r.Messages })
	if over := len(*s) - r.Stored; over > 0 {
		clear((*s)[:over])
		*s = (*s)[over:]
	}
}

// Drop erases the keys for which drop reports true.
func (s *Store) Drop(drop func(*Key) bool) {
	kept := (*s)[:0]
	for i := range *s {
		if !drop(&(*s)[i]) {
			kept = append(kept, (*s)[i])
		}
	}
	clear((*s)[len(kept):])
	*s = kept
}

// Wipe zeroes the store with all the memory it has.
func (s *Store) Wipe() {
	clear((*s)[:cap(*s)])
	*s = nil
}

// Add appends count and keys to b.
func (s Store) Add(b *cryptobyte.Builder) {
	b.AddUint16(uint16(len(s)))
	for i := range s {
		k := &s[i]
		b.AddUint64(k.Chain)
		b.AddUint32(k.N)
		b.AddUint64(k.Opened)
		b.AddUint64(uint64(k.At))
		b.AddBytes(k.Secret[:])
	}
}

// Read reads what Add wrote, at most r.Stored keys.
func (s *Store) Read(r *Rules, in *cryptobyte.String) bool {
	var n uint16
	if !in.ReadUint16(&n) || int(n) > r.Stored || len(*in) < int(n)*Size {
		return false
	}
	if n > 0 {
		*s = make(Store, n)
	}
	for i := range *s {
		k := &(*s)[i]
		var at uint64
		if !in.ReadUint64(&k.Chain) || !in.ReadUint32(&k.N) || !in.ReadUint64(&k.Opened) ||
			!in.ReadUint64(&at) || !in.CopyBytes(k.Secret[:]) {
			return false
		}
		k.At = int64(at)
	}
	return true
}

// Ordered reports whether keys lie as they come about: ordered by when they were
// skipped, not after opened, and within a chain in rising numbers. chain says
// whether a chain can have keys, and below which number.
func (s Store) Ordered(opened uint64, chain func(id uint64) (below uint64, ok bool)) bool {
	var last uint64
	above := map[uint64]uint64{} // the least number the next key of a chain may have
	for i := range s {
		k := &s[i]
		below, ok := chain(k.Chain)
		if !ok || uint64(k.N) >= below || uint64(k.N) < above[k.Chain] || k.Opened < last || k.Opened > opened {
			return false
		}
		above[k.Chain], last = uint64(k.N)+1, k.Opened
	}
	return true
}
