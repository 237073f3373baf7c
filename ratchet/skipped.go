package ratchet

import (
	"slices"
	"time"
)

// skippedKey is the message key of a message that did not come yet.
type skippedKey struct {
	chain    uint8 // 0 is the current receiving chain, i the closed chain i-1
	n        uint32
	accepted uint64 // Session.accepted after the message that skipped it
	at       int64  // Unix seconds then
	key      [keySize]byte
}

func (k *skippedKey) expiredAt(now int64) bool {
	return now-k.at > int64(SkippedAge/time.Second)
}

// findSkipped returns the index of a skipped key, or -1 if it is not there or
// too old.
func (s *Session) findSkipped(chain uint8, n uint32, now int64) int {
	return slices.IndexFunc(s.skipped, func(k skippedKey) bool {
		return k.chain == chain && k.n == n && !k.expiredAt(now)
	})
}

// skipTo stores the keys of the current receiving chain up to, not including,
// message n. The caller has checked the distance and made room.
func (s *Session) skipTo(n uint32, now int64) {
	for ; s.recv.n < n; s.recv.n++ {
		s.skipped = append(s.skipped, skippedKey{
			n: s.recv.n, accepted: s.accepted + 1, at: now, key: chainStep(&s.recv.chain)})
	}
}

// closeChain ends the current receiving chain: its chain key is erased, its
// header key is kept only while keys skipped in it are.
func (s *Session) closeChain() {
	if !slices.ContainsFunc(s.skipped, func(k skippedKey) bool { return k.chain == 0 }) {
		s.recv.wipe()
		return
	}
	for i := range s.skipped {
		s.skipped[i].chain++
	}
	s.closed = slices.Insert(s.closed, 0, s.recv.header)
	s.recv.wipe()
}

// prune erases skipped keys that are used up, too old or too many, and then the
// header keys of closed chains without any.
func (s *Session) prune(now int64) {
	for i := range s.skipped { // a clock set back must not prolong a key's life
		s.skipped[i].at = min(s.skipped[i].at, now)
	}
	s.dropSkipped(func(k *skippedKey) bool {
		return k.chain > maxClosed || k.expiredAt(now) || s.accepted-k.accepted >= SkippedMessages
	})
	if over := len(s.skipped) - MaxSkipped; over > 0 {
		clear(s.skipped[:over])
		s.skipped = s.skipped[over:]
	}
	s.dropClosed()
}

func (s *Session) dropSkipped(drop func(*skippedKey) bool) {
	kept := s.skipped[:0]
	for i := range s.skipped {
		if !drop(&s.skipped[i]) {
			kept = append(kept, s.skipped[i])
		}
	}
	clear(s.skipped[len(kept):])
	s.skipped = kept
}

func (s *Session) dropClosed() {
	for i := len(s.closed); i > 0; i-- {
		used := false
		for j := range s.skipped {
			used = used || int(s.skipped[j].chain) == i
		}
		if used {
			continue
		}
		clear(s.closed[i-1][:])
		s.closed = slices.Delete(s.closed, i-1, i)
		for j := range s.skipped {
			if int(s.skipped[j].chain) > i {
				s.skipped[j].chain--
			}
		}
	}
}
