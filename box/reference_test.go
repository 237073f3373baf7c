package box_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"kith/box"
)

// A second implementation of docs/spec/box.md, written from the document alone and
// slowly: HKDF out of HMAC, keys by counting.

func hmacOf(key []byte, texts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, t := range texts {
		h.Write(t)
	}
	return h.Sum(nil)
}

type refKeys struct {
	box  [32]byte
	seed ed25519.PrivateKey
	key  []byte
}

// refChain is BX-01 and BX-02: the first n boxes, ck_0 and ck_n.
func refChain(root, writer, reader [32]byte, n int) (all []refKeys, ck0, ckn []byte) {
	dir := sha256.Sum256(bytes.Join([][]byte{[]byte("drop/1 dir"), writer[:], reader[:]}, nil))
	ck := hmacOf(dir[:], root[:])
	ck0 = ck
	for range n {
		var okm, t []byte
		for i := byte(1); len(okm) < 96; i++ {
			t = hmacOf(ck, t, []byte("drop/1 step"), []byte{i})
			okm = append(okm, t...)
		}
		private := ed25519.NewKeyFromSeed(okm[32:64])
		all = append(all, refKeys{[32]byte(private.Public().(ed25519.PublicKey)), private, okm[64:96]})
		ck = okm[:32]
	}
	return all, ck0, ck
}

// refCell is BX-05 with a nonce and a plaintext of the test's choice.
func refCell(t testing.TB, k refKeys, expiry uint32, nonce, plaintext []byte) []byte {
	t.Helper()
	aead, err := chacha20poly1305.NewX(k.key)
	if err != nil {
		t.Fatal(err)
	}
	ad := binary.BigEndian.AppendUint32(bytes.Clone(k.box[:]), expiry)
	return aead.Seal(bytes.Clone(nonce), nonce, plaintext, ad)
}

func refOpen(t testing.TB, k refKeys, expiry uint32, cell []byte) []byte {
	t.Helper()
	aead, err := chacha20poly1305.NewX(k.key)
	if err != nil {
		t.Fatal(err)
	}
	plaintext, err := aead.Open(nil, cell[:24], cell[24:], binary.BigEndian.AppendUint32(bytes.Clone(k.box[:]), expiry))
	if err != nil {
		t.Fatal(err)
	}
	return plaintext
}

// refPut is BX-07 of a cell.
func refPut(k refKeys, expiry uint32, cell []byte) *box.Put {
	sum := sha256.Sum256(cell)
	text := bytes.Join([][]byte{[]byte("put/1"), k.box[:], binary.BigEndian.AppendUint32(nil, expiry), sum[:]}, nil)
	return &box.Put{Box: k.box, Expiry: expiry, Sig: [64]byte(ed25519.Sign(k.seed, text)), Cell: cell}
}

// refWork is BX-09.
func refWork(w *box.Work, relay box.RelayID, day uint32, b [32]byte, effort uint32) bool {
	c := bytes.Join([][]byte{[]byte("pow/1"), relay[:], binary.BigEndian.AppendUint32(nil, day), b[:], w.Nonce[:]}, nil)
	var j [8]uint16
	var h [8]uint64
	seen := map[uint16]bool{}
	for i := range j {
		j[i] = uint16(w.Solution[2*i])<<8 | uint16(w.Solution[2*i+1])
		if seen[j[i]] {
			return false
		}
		seen[j[i]] = true
		sum := sha256.Sum256(append(bytes.Clone(c), 0, 0, byte(j[i]/4>>8), byte(j[i]/4)))
		h[i] = binary.BigEndian.Uint64(sum[8*(j[i]%4):]) >> 4
	}
	for i := 0; i < 8; i += 2 {
		if j[i] >= j[i+1] || (h[i]^h[i+1])>>45 != 0 {
			return false
		}
	}
	for i := 0; i < 8; i += 4 {
		if j[i] >= j[i+2] || (h[i]^h[i+1]^h[i+2]^h[i+3])>>30 != 0 {
			return false
		}
	}
	if j[0] >= j[4] || h[0]^h[1]^h[2]^h[3]^h[4]^h[5]^h[6]^h[7] != 0 {
		return false
	}
	sum := sha256.Sum256(append(bytes.Clone(c), w.Solution[:]...))
	return binary.BigEndian.Uint32(sum[:]) <= (1<<32-1)/effort
}
