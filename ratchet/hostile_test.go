package ratchet_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"kith/ratchet"
)

// conversation returns two sides in the middle of a conversation, with messages
// skipped in the current and in a closed chain on both sides.
func conversation(t testing.TB) (alice, bob *ratchet.Session) {
	t.Helper()
	alice, bob = newPair(t)
	for range 3 {
		seal(t, &alice, "lost")
		open(t, &bob, seal(t, &alice, "x"), "x")
		seal(t, &bob, "lost")
		open(t, &alice, seal(t, &bob, "x"), "x")
	}
	return alice, bob
}

// TestRatchet_R15_everyBitOfEveryType: the same for what each type of message brings
// the braid, with cuts and extensions.
func TestRatchet_R15_everyBitOfEveryType(t *testing.T) {
	alice, bob := newPair(t)
	seen := map[uint8]bool{}
	for range 40 {
		before := state(t, bob)
		msg := seal(t, &alice, "genuine")
		if kind := refOpenHeader(t, parseState(t, alice).send.header, msg).kind; !seen[kind] {
			seen[kind] = true
			hostile := func(what string, i int, bad []byte) {
				if next, plaintext, err := bob.Open(bad, ad, noon); err != ratchet.ErrOpen || next != nil || plaintext != nil {
					t.Fatalf("type %d, %s %d: %v", kind, what, i, err)
				}
			}
			for i := range len(msg) * 8 {
				bad := bytes.Clone(msg)
				bad[i/8] ^= 1 << (i % 8)
				hostile("bit", i, bad)
			}
			for i := range msg {
				hostile("cut to", i, msg[:i])
			}
			for _, n := range []int{1, 16, 32, 256} {
				hostile("longer by", n, append(bytes.Clone(msg), make([]byte, n)...))
			}
			if !bytes.Equal(before, state(t, bob)) {
				t.Fatal("a refused message changed the session")
			}
		}
		open(t, &bob, msg, "genuine")
		open(t, &alice, seal(t, &bob, "x"), "x")
	}
	if len(seen) != 6 { // all but ct1_ack, which is never sent in this suite
		t.Errorf("saw types %v", seen)
	}
}

func TestRatchet_R15_everyBitCounts(t *testing.T) {
	for name, late := range map[string]bool{"next chain": false, "skipped": true} {
		t.Run(name, func(t *testing.T) {
			alice, bob := conversation(t)
			msg := seal(t, &alice, "genuine")
			if late {
				open(t, &bob, seal(t, &alice, "overtakes"), "overtakes")
			}
			before := state(t, bob)
			for i := range len(msg) * 8 {
				bad := bytes.Clone(msg)
				bad[i/8] ^= 1 << (i % 8)
				if next, plaintext, err := bob.Open(bad, ad, noon); !errors.Is(err, ratchet.ErrOpen) || next != nil || plaintext != nil {
					t.Fatalf("bit %d: %v", i, err)
				}
			}
			for i := range len(ad) * 8 {
				bad := bytes.Clone(ad)
				bad[i/8] ^= 1 << (i % 8)
				if _, _, err := bob.Open(msg, bad, noon); !errors.Is(err, ratchet.ErrOpen) {
					t.Fatalf("bit %d of the associated data: %v", i, err)
				}
			}
			for _, bad := range [][]byte{nil, ad[1:], ad[:len(ad)-1], append(bytes.Clone(ad), 0)} {
				if _, _, err := bob.Open(msg, bad, noon); !errors.Is(err, ratchet.ErrOpen) {
					t.Fatalf("associated data %q: %v", bad, err)
				}
			}
			if !bytes.Equal(before, state(t, bob)) {
				t.Fatal("a refused message changed the session")
			}
			open(t, &bob, msg, "genuine")
		})
	}
}

// Every way a message can fail behind an authentic header: each leaves the
// session as it was, and the genuine message then opens.
func TestRatchet_R13_failureChangesNothing(t *testing.T) {
	alice, bob := conversation(t)
	x := parseState(t, alice)
	private := bytes.Repeat([]byte{7}, 32)
	own := parseState(t, bob).public
	wrong := bytes.Repeat([]byte{1}, 32)
	tests := []struct {
		name string
		want error
		edit func(*forge)
	}{
		{"wrong post-quantum key", ratchet.ErrOpen, func(f *forge) { f.pq = wrong }},
		{"wrong message key", ratchet.ErrOpen, func(f *forge) { f.message = wrong }},
		{"number of another key", ratchet.ErrOpen, func(f *forge) { f.header.n = 3 }},
		{"number of another post-quantum key", ratchet.ErrOpen, func(f *forge) { f.header.pqN++ }},
		{"no post-quantum number", ratchet.ErrOpen, func(f *forge) { f.header.pqN = 0 }},
		{"a used post-quantum number", ratchet.ErrDuplicate, func(f *forge) { f.header.pqN = 2 }},
		{"no epoch", ratchet.ErrOpen, func(f *forge) { f.header.epoch = 0 }},
		{"an epoch to come", ratchet.ErrOpen, func(f *forge) { f.header.epoch += 2 }},
		{"the last epoch", ratchet.ErrOpen, func(f *forge) { f.header.epoch = math.MaxUint64 }},
		{"PN too large", ratchet.ErrTooFar, func(f *forge) { f.header.pn = 5000 }},
		{"N too large", ratchet.ErrTooFar, func(f *forge) { f.header.n = 1001 }},
		{"post-quantum number too large", ratchet.ErrTooFar, func(f *forge) { f.header.pqN = 5000 }},
		{"the last post-quantum number", ratchet.ErrTooFar, func(f *forge) { f.header.pqN = math.MaxUint32 }},
		{"another header key", ratchet.ErrOpen, func(f *forge) { f.hk = wrong }},
	}
	for _, tt := range tests {
		f := x.forgeChain(private, 0)
		f.header.pn = 2 // what alice sent in the chain before
		tt.edit(f)
		t.Run(tt.name, func(t *testing.T) { refuse(t, bob, f.seal(), tt.want) })
	}
	y := parseState(t, bob)
	ours := func(key []byte, pn uint32) []byte {
		f := y.forgeAgainst(key, 0)
		f.header.pn = pn
		return f.seal()
	}
	fresh := bytes.Repeat([]byte{9}, 32)
	for name, msg := range map[string][]byte{
		"PN below what was received":          ours(fresh, 1),
		"PN zero":                             ours(fresh, 0),
		"our own ratchet key":                 ours(own, 2),
		"the ratchet key of the chain before": ours(y.peer, 2),
	} {
		t.Run(name, func(t *testing.T) { refuse(t, bob, msg, ratchet.ErrOpen) })
	}
	if _, _, err := bob.Open(ours(fresh, 2), ad, noon); err != nil {
		t.Fatalf("the forger does it wrong: %v", err)
	}
	// The forger is right but for those edits: without one, his message opens.
	f := x.forgeChain(private, 0)
	f.header.pn = 2
	if _, _, err := bob.Open(f.seal(), ad, noon); err != nil {
		t.Fatalf("the forger does it wrong: %v", err)
	}
	open(t, &bob, seal(t, &alice, "genuine"), "genuine")
}

func TestRatchet_R04_chainKeepsItsRatchetKey(t *testing.T) {
	alice, bob := newPair(t)
	open(t, &bob, seal(t, &alice, "x"), "x")
	x := parseState(t, alice)
	f := x.forgeNext(1)
	f.header.key = bytes.Repeat([]byte{9}, 32)
	refuse(t, bob, f.seal(), ratchet.ErrOpen)
}

// The first chain has none before it.
func TestRatchet_R08_firstChainHasNoPN(t *testing.T) {
	alice, bob := newPair(t)
	x := parseState(t, bob)
	fresh := bytes.Repeat([]byte{9}, 32)
	f := x.forgeAgainst(fresh, 0)
	f.header.pn = 1
	refuse(t, bob, f.seal(), ratchet.ErrOpen)
	f.header.pn = 0
	if _, _, err := bob.Open(f.seal(), ad, noon); err != nil {
		t.Fatalf("the forger does it wrong: %v", err)
	}
	seal(t, &alice, "x")
	x = parseState(t, alice)
	f = x.forgeAgainst(fresh, 0)
	f.header.pn = 1
	refuse(t, alice, f.seal(), ratchet.ErrOpen)
}

func TestRatchet_R22_noDowngrade(t *testing.T) {
	alice, bob := newPair(t)
	open(t, &bob, seal(t, &alice, "x"), "x")
	x := parseState(t, alice)
	for name, edit := range map[string]func(*forge){
		"message version 0":     func(f *forge) { f.version = 0 },
		"message version 2":     func(f *forge) { f.version = 2 },
		"suite 0":               func(f *forge) { f.header.suite = 0 },
		"suite 2":               func(f *forge) { f.header.suite = 2 },
		"unknown type":          func(f *forge) { f.header.kind = 7 },
		"chunks of no type":     func(f *forge) { f.header.chunks = []byte{1} },
		"a chunk too many":      func(f *forge) { f.header.kind, f.header.chunks = 1, append(make([]byte, 96), 1) },
		"number of no chunk":    func(f *forge) { f.header.first = 1 },
		"no post-quantum key":   func(f *forge) { f.header.pqN, f.pq = 0, make([]byte, 32) },
		"no post-quantum epoch": func(f *forge) { f.header.epoch, f.header.pqN, f.pq = 0, 0, make([]byte, 32) },
		"no post-quantum part":  func(f *forge) { f.header.unsettling = f.header.encode()[:42] },
		"empty header":          func(f *forge) { f.header.unsettling = []byte{} },
		"longer header":         func(f *forge) { f.header.unsettling = append(f.header.encode(), 0) },
	} {
		f := x.forgeNext(1)
		edit(f)
		t.Run(name, func(t *testing.T) { refuse(t, bob, f.seal(), ratchet.ErrOpen) })
	}
	if _, _, err := bob.Open(x.forgeNext(1).seal(), ad, noon); err != nil {
		t.Fatalf("the forger does it wrong: %v", err)
	}
}

// GCM alone would open a message under another key that collides.
func TestRatchet_R14_commitmentIsChecked(t *testing.T) {
	alice, bob := newPair(t)
	open(t, &bob, seal(t, &alice, "x"), "x")
	x := parseState(t, alice)
	f := x.forgeNext(1)
	header := refSealHeader(1, f.hk, f.header.encode())
	good := f.seal()
	// A ciphertext that is right in all but the commitment it binds.
	bad := sealWithCommitment(header, f.pq, f.message, make([]byte, 16))
	refuse(t, bob, bad, ratchet.ErrOpen)
	if _, _, err := bob.Open(good, ad, noon); err != nil {
		t.Fatal(err)
	}
}

func TestRatchet_R05_responderCannotSpeakFirst(t *testing.T) {
	alice, bob := newPair(t)
	if next, msg, err := bob.Seal([]byte("x"), ad); !errors.Is(err, ratchet.ErrNotReady) || next != nil || msg != nil {
		t.Fatalf("got %v", err)
	}
	open(t, &bob, seal(t, &alice, "x"), "x")
	open(t, &alice, seal(t, &bob, "now"), "now")
}

// "No key" is never a key: whatever ratchet key a header names, a fresh responder
// opens nothing under keys an attacker could compute, nor does a wiped session or
// an initiator who has not spoken.
func TestRatchet_R05_noKeyIsNotAKey(t *testing.T) {
	zero := make([]byte, 32)
	alice, bob := newPair(t)
	wiped, _ := newPair(t)
	wiped.Wipe()
	none := &refChain{chain: zero}
	message, _ := none.messageKey(0)
	for _, key := range [][]byte{zero, bytes.Repeat([]byte{9}, 32)} {
		for _, hk := range [][]byte{zero, parseState(t, bob).nextRecv, parseState(t, alice).nextRecv} {
			f := &forge{hk: hk, message: message, version: 1, header: refHeader{suite: 1, key: key, epoch: 1, pqN: 1}}
			for _, pq := range [][]byte{zero, parseState(t, bob).pq.recvChain().key(1)} {
				f.pq = pq
				msg := f.seal()
				refuse(t, bob, msg, ratchet.ErrOpen)
				refuse(t, alice, msg, ratchet.ErrOpen)
				if _, _, err := wiped.Open(msg, ad, noon); !errors.Is(err, ratchet.ErrOpen) || wiped.CanOpen(msg) {
					t.Fatalf("a wiped session: %v", err)
				}
			}
		}
	}
	// Right but for our own missing ratchet key: bob answered, and was answered
	// to by nobody, yet a second new chain arrives.
	open(t, &bob, seal(t, &alice, "x"), "x")
	x := parseState(t, bob)
	f := &forge{hk: x.nextRecv, message: message, pq: x.pq.recvChain().key(2), version: 1,
		header: refHeader{suite: 1, key: bytes.Repeat([]byte{9}, 32), epoch: 1, pqN: 2}}
	refuse(t, bob, f.seal(), ratchet.ErrOpen)
}

// badKeys are encodings that name no proper ratchet key.
func badKeys(t testing.TB) map[string][]byte {
	t.Helper()
	keys := map[string]string{
		"zero":                "0000000000000000000000000000000000000000000000000000000000000000",
		"one":                 "0100000000000000000000000000000000000000000000000000000000000000",
		"order 8":             "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"order 8, other":      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"p-1":                 "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p":                   "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p+1":                 "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"9+p":                 "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"2^255-1":             "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"base point, top bit": "0900000000000000000000000000000000000000000000000000000000000080",
		"zero, top bit":       "0000000000000000000000000000000000000000000000000000000000000080",
		"2p-1":                "d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"all ones":            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"order 8, top bit":    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
	}
	out := make(map[string][]byte)
	for name, s := range keys {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = b
	}
	return out
}

func TestRatchet_R03_badRatchetKeys(t *testing.T) {
	for name, key := range badKeys(t) {
		t.Run(name, func(t *testing.T) {
			k, err := ecdh.X25519().NewPublicKey(key)
			if err != nil {
				t.Fatal(err)
			}
			if s, err := ratchet.NewInitiator(&ratchet.Secrets{}, k); !errors.Is(err, ratchet.ErrKey) || s != nil {
				t.Errorf("NewInitiator: %v", err)
			}
			alice, bob := newPair(t)
			open(t, &bob, seal(t, &alice, "x"), "x")
			open(t, &alice, seal(t, &bob, "x"), "x")
			x := parseState(t, bob)
			f := x.forgeAgainst(bytes.Repeat([]byte{9}, 32), 0)
			if p, err := ecdh.X25519().NewPrivateKey(x.private); err != nil {
				t.Fatal(err)
			} else if _, err := p.ECDH(k); err == nil { // not of low order: agree all the way
				f = x.forgeAgainst(key, 0)
			}
			f.header.pn, f.header.key = 1, key
			refuse(t, bob, f.seal(), ratchet.ErrOpen)
		})
	}
	p256, err := ecdh.P256().GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ratchet.NewInitiator(&ratchet.Secrets{}, p256.PublicKey()); !errors.Is(err, ratchet.ErrKey) {
		t.Error("a P-256 key was taken for a ratchet key")
	}
	if _, err := ratchet.NewResponder(&ratchet.Secrets{}, p256); !errors.Is(err, ratchet.ErrKey) {
		t.Error("a P-256 key was taken for a ratchet key")
	}
	if _, err := ratchet.NewInitiator(&ratchet.Secrets{}, nil); !errors.Is(err, ratchet.ErrKey) {
		t.Error("nil was taken for a ratchet key")
	}
	if _, err := ratchet.NewResponder(&ratchet.Secrets{}, nil); !errors.Is(err, ratchet.ErrKey) {
		t.Error("nil was taken for a ratchet key")
	}
}

func TestRatchet_R12_opensOnce(t *testing.T) {
	alice, bob := newPair(t)
	first, second := seal(t, &alice, "first"), seal(t, &alice, "second")
	open(t, &bob, second, "second")
	refuse(t, bob, second, ratchet.ErrDuplicate)
	open(t, &bob, first, "first")
	refuse(t, bob, first, ratchet.ErrDuplicate)
	restore(t, &bob)
	refuse(t, bob, first, ratchet.ErrDuplicate) // replay after restart
	refuse(t, bob, second, ratchet.ErrDuplicate)

	open(t, &alice, seal(t, &bob, "reply"), "reply")
	open(t, &bob, seal(t, &alice, "new chain"), "new chain")
	refuse(t, bob, first, ratchet.ErrOpen) // its header key is gone with its chain
	refuse(t, bob, second, ratchet.ErrOpen)
}

// A duplicate is recognised by its header alone; the body may be anything.
func TestRatchet_R12_duplicateTellsNothingOfTheBody(t *testing.T) {
	alice, bob := newPair(t)
	msg := seal(t, &alice, "x")
	open(t, &bob, msg, "x")
	bad := bytes.Clone(msg)
	bad[len(bad)-1] ^= 1
	refuse(t, bob, msg, ratchet.ErrDuplicate)
	refuse(t, bob, bad, ratchet.ErrDuplicate)
}

func TestRatchet_R18_ownMessageEchoed(t *testing.T) {
	alice, bob := conversation(t)
	msg := seal(t, &alice, "x")
	if alice.CanOpen(msg) {
		t.Error("a session says it can open its own message")
	}
	refuse(t, alice, msg, ratchet.ErrOpen)
	open(t, &bob, msg, "x")
	reply := seal(t, &bob, "y")
	refuse(t, bob, reply, ratchet.ErrOpen)
}

func TestRatchet_R18_otherSession(t *testing.T) {
	alice, bob := conversation(t)
	mallory, _ := conversation(t)
	msg := seal(t, &mallory, "x")
	if bob.CanOpen(msg) {
		t.Error("a session says it can open another's message")
	}
	refuse(t, bob, msg, ratchet.ErrOpen)
	genuine := seal(t, &alice, "x")
	const header = ratchet.Overhead - 32
	refuse(t, bob, append(bytes.Clone(genuine[:header]), msg[header:]...), ratchet.ErrOpen)
	refuse(t, bob, append(bytes.Clone(msg[:header]), genuine[header:]...), ratchet.ErrOpen)
	other := seal(t, &alice, "y") // a body under another message's header
	refuse(t, bob, append(bytes.Clone(genuine[:header]), other[header:]...), ratchet.ErrOpen)
	open(t, &bob, genuine, "x")
}

// TestRatchet_R18_splices joins the beginning of one message and the end of another
// at every place, of one chain and of two.
func TestRatchet_R18_splices(t *testing.T) {
	alice, bob := conversation(t)
	first := seal(t, &alice, "of one length")
	second := seal(t, &alice, "of the same.!")
	mallory, _ := conversation(t)
	other := seal(t, &mallory, "of the same..")
	for i := 1; i < len(first); i++ {
		for _, pair := range [][2][]byte{{first, second}, {second, first}, {first, other}, {other, first}} {
			spliced := append(bytes.Clone(pair[0][:i]), pair[1][i:]...)
			if bytes.Equal(spliced, first) || bytes.Equal(spliced, second) {
				continue // they begin alike
			}
			if next, plaintext, err := bob.Open(spliced, ad, noon); err != ratchet.ErrOpen || next != nil || plaintext != nil {
				t.Fatalf("spliced at %d: %v", i, err)
			}
		}
	}
	open(t, &bob, second, "of the same.!")
	open(t, &bob, first, "of one length")
}

func TestRatchet_R18_canOpen(t *testing.T) {
	alice, bob := conversation(t)
	late := seal(t, &alice, "late")
	if !bob.CanOpen(late) {
		t.Error("next chain")
	}
	msg := seal(t, &alice, "x")
	open(t, &bob, msg, "x")
	if !bob.CanOpen(late) || !bob.CanOpen(msg) {
		t.Error("current chain")
	}
	open(t, &alice, seal(t, &bob, "x"), "x")
	open(t, &bob, seal(t, &alice, "x"), "x")
	if !bob.CanOpen(late) {
		t.Error("closed chain")
	}
	damaged := bytes.Clone(late)
	damaged[len(damaged)-1] ^= 1
	if !bob.CanOpen(damaged) {
		t.Error("CanOpen looked at the body")
	}
}
