package ratchet

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"testing"
)

// The derivations are written out over SHA-256; here they meet the standard
// library's, at every length they take.

func TestRatchet_R25_macEqualsStandard(t *testing.T) {
	var key [keySize]byte
	rand.Read(key[:])
	data := make([]byte, maxMAC)
	rand.Read(data)
	for n := range maxMAC + 1 {
		h := hmac.New(sha256.New, key[:])
		h.Write(data[:n])
		if got := mac(&key, data[:n/3], data[n/3:n]); !bytes.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("%d bytes: HMAC differs", n)
		}
	}
}

func TestRatchet_R25_expandEqualsStandard(t *testing.T) {
	var key [keySize]byte
	rand.Read(key[:])
	for _, label := range []string{labelRoot, labelHeader, labelMessage, "", string(make([]byte, maxLabel))} {
		if len(label) > maxLabel {
			t.Fatalf("label %q is too long", label)
		}
		for n := range 200 {
			got := make([]byte, n)
			expand(got, &key, label)
			want, err := hkdf.Expand(sha256.New, key[:], label, n)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes under %q differ", n, label)
			}
		}
	}
}

// The longest inputs of mac fit its buffer: a header, and a block of expand.
func TestRatchet_R25_macInputsFit(t *testing.T) {
	if len(prefix)+headerSize > maxMAC || keySize+maxLabel+1 > maxMAC {
		t.Error("an input of mac is longer than maxMAC")
	}
}

// TestRatchet_R21_wipeClearsMemory looks at the memory a session leaves behind.
func TestRatchet_R21_wipeClearsMemory(t *testing.T) {
	s := &Session{hasSelf: true, hasPeer: true, hasRecv: true}
	rand.Read(s.root[:])
	rand.Read(s.send.chain[:])
	s.closed = make([][keySize]byte, 2, 4)
	s.skipped = make([]skippedKey, 3, 8)
	closed, skipped := s.closed[:4], s.skipped[:8]
	for i := range closed {
		rand.Read(closed[i][:])
	}
	for i := range skipped {
		rand.Read(skipped[i].key[:])
	}
	s.Wipe()
	if s.root != [keySize]byte{} || s.send != (chain{}) || s.hasSelf || s.closed != nil || s.skipped != nil {
		t.Error("the session is not zero")
	}
	for _, c := range closed {
		if c != [keySize]byte{} {
			t.Error("a header key remains")
		}
	}
	for _, k := range skipped {
		if k.key != [keySize]byte{} {
			t.Error("a skipped message key remains")
		}
	}
}

// The receiving half-step leaves no sending chain in memory, either.
func TestRatchet_R06_receivingErasesSendingChain(t *testing.T) {
	dh, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{hasSelf: true, hasPeer: true}
	s.self.set(dh)
	s.send = chain{header: [keySize]byte{1}, chain: [keySize]byte{2}, n: 3}
	if err := s.receiveStep(&header{key: [keySize]byte{9}}); err != nil {
		t.Fatal(err)
	}
	if s.send != (chain{}) || s.self.private != [keySize]byte{} || s.self.dh != nil || s.pn != 3 {
		t.Error("something of the sending chain or the ratchet key remains")
	}
}

// Erasing skipped keys leaves none in the part of the array no longer in use.
func TestRatchet_R21_pruneClearsMemory(t *testing.T) {
	s := &Session{accepted: SkippedMessages}
	for i := range 6 {
		s.skipped = append(s.skipped, skippedKey{n: uint32(i), accepted: uint64(i % 2 * SkippedMessages), key: [keySize]byte{1}})
	}
	all := s.skipped
	s.prune(0)
	if len(s.skipped) != 3 {
		t.Fatalf("%d keys remain, want 3", len(s.skipped))
	}
	for i := range all[3:] {
		if all[3+i].key != [keySize]byte{} {
			t.Error("an erased key is still in memory")
		}
	}
}
