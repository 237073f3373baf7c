package oracle_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rand"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"kith/pqxdh"
	"kith/ratchet"
	"kith/ratchet/internal/braid"
	"kith/ratchet/internal/erasure"
	"kith/ratchet/internal/kdf"
)

var figures = flag.Bool("figures", false, "measure what sessions cost, their floors, and libsignal's, in one run on one core")

var now = time.Unix(1_800_000_000, 0)

const (
	runs      = 7
	textBytes = 100
)

// figure is one line of the table: what an operation costs, the sum of its
// primitives, libsignal's cost, and what is asked for.
type figure struct {
	name         string
	cost, floor  time.Duration
	rival        time.Duration // 0: not compared
	least        float64       // operations a second asked for, 0: none
	leastOfRival float64       // times as many as the rival, 0: none
}

// measure returns the median time of an operation over several runs.
func measure(b func(n int)) time.Duration {
	var all []time.Duration
	for range runs {
		r := testing.Benchmark(func(tb *testing.B) { b(tb.N) })
		all = append(all, r.T/time.Duration(r.N))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// each is measure of an operation by itself.
func each(f func()) time.Duration {
	return measure(func(n int) {
		for range n {
			f()
		}
	})
}

// device has what a handshake needs.
type device struct {
	pqxdh.Identity
	signer ed25519.PrivateKey
}

func newFigureDevice(t testing.TB) *device {
	t.Helper()
	public, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dh, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{pqxdh.Identity{DH: dh}, signer}
	d.Device = [32]byte(public)
	rand.Read(d.Account[:])
	return d
}

func (d *device) prekeys(t testing.TB) (keys pqxdh.Prekeys) {
	t.Helper()
	end := now.Add(time.Hour).Unix()
	var err error
	if keys.Signed, err = pqxdh.NewSignedPrekey(d.signer, d.Public(), 1, end); err != nil {
		t.Fatal(err)
	}
	if keys.OneTime, err = pqxdh.NewOneTimePrekey(d.signer, d.Public(), 2, end); err != nil {
		t.Fatal(err)
	}
	if keys.KEM, err = pqxdh.NewKEMPrekey(d.signer, d.Public(), 3, end, true); err != nil {
		t.Fatal(err)
	}
	return keys
}

func seeds(s *pqxdh.Secrets) *ratchet.Secrets {
	return &ratchet.Secrets{Root: s.Root, HeaderA: s.HeaderA, HeaderB: s.HeaderB, PQ: s.PQ}
}

// begin is all an initiator does: from a bundle to the first message.
func (d *device) begin(t testing.TB, bundle *pqxdh.Bundle, text []byte) (*pqxdh.Initial, *ratchet.Session, []byte, []byte) {
	in, s, err := pqxdh.Initiate(d.Identity, bundle, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	session, err := ratchet.NewInitiator(seeds(s), s.PeerRatchet)
	if err != nil {
		t.Fatal(err)
	}
	session, msg, err := session.Seal(text, s.AD)
	if err != nil {
		t.Fatal(err)
	}
	return in, session, msg, s.AD
}

// accept is all a responder does: from the first message to its text.
func (d *device) accept(t testing.TB, keys pqxdh.Prekeys, in *pqxdh.Initial, msg []byte) *ratchet.Session {
	s, err := pqxdh.Accept(d.Identity, keys, in, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	session, err := ratchet.NewResponder(seeds(s), s.SelfRatchet)
	if err != nil {
		t.Fatal(err)
	}
	session, _, err = session.Open(msg, s.AD, now)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func seal(t testing.TB, s **ratchet.Session, text, ad []byte) []byte {
	next, msg, err := (*s).Seal(text, ad)
	if err != nil {
		t.Fatal(err)
	}
	*s = next
	return msg
}

func open(t testing.TB, s **ratchet.Session, msg, ad []byte) {
	next, _, err := (*s).Open(msg, ad, now)
	if err != nil {
		t.Fatal(err)
	}
	*s = next
}

func reload(t testing.TB, stored []byte) *ratchet.Session {
	s, err := ratchet.ParseSession(stored)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stored(t testing.TB, s *ratchet.Session) []byte {
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// talk returns two sides in the middle of a conversation.
func talk(t testing.TB) (alice, bob *ratchet.Session, ad []byte) {
	t.Helper()
	a, b := newFigureDevice(t), newFigureDevice(t)
	keys := b.prekeys(t)
	text := make([]byte, textBytes)
	in, alice, msg, ad := a.begin(t, pqxdh.NewBundle(b.Public(), keys.Signed, keys.OneTime, keys.KEM), text)
	bob = b.accept(t, keys, in, msg)
	for range 3 {
		open(t, &alice, seal(t, &bob, text, ad), ad)
		open(t, &bob, seal(t, &alice, text, ad), ad)
	}
	return alice, bob, ad
}

// TestFigures prints the table for docs/benchmarks.md and fails where a figure asked
// for is not reached.
func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("takes a minute and an idle machine: -figures")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var table []figure
	var rival struct{ Start, Accept, Encrypt, Decrypt, PingPong float64 }
	startNode(t, "v103").must("bench", map[string]any{"size": textBytes, "batch": 300, "batches": 15}, &rival)
	µs := func(f float64) time.Duration { return time.Duration(f * float64(time.Microsecond)) }

	sealFloor, openFloor := floorOfMessage(t, braid.MaxChunks), floorOfMessage(t, 0)
	table = append(table, chainFigures(t, sealFloor, openFloor, µs(rival.Encrypt), µs(rival.Decrypt))...)
	table = append(table, pingPongFigure(t, sealFloor+openFloor, µs(rival.PingPong)))
	table = append(table, setUpFigures(t, µs(rival.Start), µs(rival.Accept))...)
	t.Log("\n" + render(t, table))
	sizes(t)
}

func render(t *testing.T, table []figure) string {
	var b strings.Builder
	b.WriteString("| operation | a second | median | floor | times the floor | libsignal through node | ratio | asked for | |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, f := range table {
		rate := float64(time.Second) / float64(f.cost)
		rival, ratio, asked, verdict := "", "", "", ""
		if f.rival > 0 {
			rival, ratio = f.rival.String(), fmt.Sprintf("%.1f", float64(f.rival)/float64(f.cost))
		}
		met := true
		if f.least > 0 {
			asked = fmt.Sprintf("%.0f a second", f.least)
			met = met && rate >= f.least
		}
		if f.leastOfRival > 0 {
			asked = fmt.Sprintf("%.0f x libsignal", f.leastOfRival)
			met = met && float64(f.rival) >= f.leastOfRival*float64(f.cost)
		}
		if asked != "" {
			if verdict = "met"; !met {
				verdict = "MISSED"
				t.Errorf("%s: %.0f a second, %s libsignal's rate; asked for %s", f.name, rate, ratio, asked)
			}
		}
		fmt.Fprintf(&b, "| %s | %.0f | %v | %v | %.2f | %s | %s | %s | %s |\n", f.name, rate, f.cost, f.floor,
			float64(f.cost)/float64(f.floor), rival, ratio, asked, verdict)
	}
	return b.String()
}

// floorOfMessage is the sum of the primitives of a message that takes no
// Diffie-Hellman: chain steps of both ratchets, the two keys of one header, its
// tag and its encryption, the chunks that are made, the message's keys and its
// encryption.
func floorOfMessage(t testing.TB, made int) time.Duration {
	var key, salt kdf.Key
	var out [96]byte
	head := make([]byte, 320)
	vector := make([]byte, 1152)
	chunks := make([]byte, 0, 8*erasure.ChunkSize)
	text := make([]byte, textBytes, textBytes+16)
	ad := make([]byte, 500)
	number := uint16(0)
	return each(func() {
		kdf.MAC(&key, []byte{1}, nil)
		kdf.MAC(&key, []byte{2}, nil)
		kdf.Derive(out[:64], &salt, key[:], "kith v1 ratchet quantum chain")
		kdf.Derive(out[:60], &salt, key[:], "kith v1 ratchet message")
		kdf.Expand(out[:64], &key, "kith v1 ratchet header", nil)
		kdf.MAC(&key, head, nil)
		block, err := aes.NewCipher(key[:])
		if err != nil {
			t.Fatal(err)
		}
		cipher.NewCTR(block, key[:16]).XORKeyStream(head, head)
		for range made {
			erasure.AppendChunk(chunks, vector, number)
			number = (number + 1) % braid.Numbers
		}
		if block, err = aes.NewCipher(key[:]); err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		gcm.Seal(text[:0], key[:12], text, ad)
	})
}

func chainFigures(t testing.TB, sealFloor, openFloor, encrypt, decrypt time.Duration) []figure {
	text := make([]byte, textBytes)
	alice, bob, ad := talk(t)
	sealing := measure(func(n int) {
		s := alice
		for range n {
			seal(t, &s, text, ad)
		}
	})
	sealingStored := measure(func(n int) {
		state := stored(t, alice)
		for range n {
			s := reload(t, state)
			seal(t, &s, text, ad)
			state = stored(t, s)
		}
	})
	// A long chain to open, made beforehand; opened again from the start when it ends.
	const length = 900
	var msgs [][]byte
	for s := alice; len(msgs) < length; {
		msgs = append(msgs, seal(t, &s, text, ad))
	}
	open(t, &bob, msgs[0], ad)
	opening := measure(func(n int) {
		s := bob
		for i := range n {
			if i%(length-1) == 0 {
				s = bob
			}
			open(t, &s, msgs[1+i%(length-1)], ad)
		}
	})
	start := stored(t, bob)
	openingStored := measure(func(n int) {
		state := start
		for i := range n {
			if i%(length-1) == 0 {
				state = start
			}
			s := reload(t, state)
			open(t, &s, msgs[1+i%(length-1)], ad)
			state = stored(t, s)
		}
	})
	return []figure{
		{name: "seal 100 B in a running chain, in memory", cost: sealing, floor: sealFloor, least: 60000},
		{name: "open 100 B in a running chain, in memory", cost: opening, floor: openFloor, least: 60000},
		{name: "the same, state loaded and stored: seal", cost: sealingStored, floor: sealFloor, rival: encrypt, leastOfRival: 4},
		{name: "the same, state loaded and stored: open", cost: openingStored, floor: openFloor, rival: decrypt, leastOfRival: 4},
	}
}

func newX25519(t testing.TB) *ecdh.PrivateKey {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// pingPongFigure is a message sealed and opened, each with half a Diffie-Hellman
// ratchet step.
func pingPongFigure(t testing.TB, chains, rival time.Duration) figure {
	text := make([]byte, textBytes)
	alice, bob, ad := talk(t)
	own, peer := newX25519(t), newX25519(t).PublicKey()
	var key kdf.Key
	var out [96]byte
	floor := each(func() {
		newX25519(t)
		for range 2 {
			if _, err := own.ECDH(peer); err != nil {
				t.Fatal(err)
			}
			kdf.Derive(out[:], &key, key[:], "kith v1 ratchet root")
		}
	})
	return figure{name: "ping-pong: a message sealed and opened", least: 4000, rival: rival, floor: floor + chains,
		cost: measure(func(n int) {
			a, b := alice, bob
			for range n {
				open(t, &b, seal(t, &a, text, ad), ad)
				a, b = b, a
			}
		})}
}

func setUpFigures(t testing.TB, start, accept time.Duration) []figure {
	text := make([]byte, textBytes)
	a, b := newFigureDevice(t), newFigureDevice(t)
	keys := b.prekeys(t)
	bundle := pqxdh.NewBundle(b.Public(), keys.Signed, keys.OneTime, keys.KEM)
	in, _, msg, _ := a.begin(t, bundle, text)

	own, peer := newX25519(t), newX25519(t).PublicKey()
	dh := each(func() {
		if _, err := own.ECDH(peer); err != nil {
			t.Fatal(err)
		}
	})
	generate := each(func() { newX25519(t) })
	signature := ed25519.Sign(a.signer, text)
	public := a.signer.Public().(ed25519.PublicKey)
	verify := each(func() { ed25519.Verify(public, text, signature) })
	encapsulate := each(func() {
		ek, err := mlkem.NewEncapsulationKey1024(bundle.KEM.Key[:])
		if err != nil {
			t.Fatal(err)
		}
		ek.Encapsulate()
	})
	dk, err := mlkem.GenerateKey1024()
	if err != nil {
		t.Fatal(err)
	}
	_, ct := dk.EncapsulationKey().Encapsulate()
	decapsulate := each(func() {
		if _, err := dk.Decapsulate(ct); err != nil {
			t.Fatal(err)
		}
	})
	dk768 := each(func() {
		if _, err := mlkem.GenerateKey768(); err != nil {
			t.Fatal(err)
		}
	})
	return []figure{
		// Three signatures, ephemeral and ratchet key, four agreements and the ratchet's, the KEM, and the
		// braid's first key pair.
		{name: "set-up, initiator: bundle to first message", least: 1200, rival: start,
			floor: 3*verify + 2*generate + 5*dh + encapsulate + dk768,
			cost:  each(func() { a.begin(t, bundle, text) })},
		{name: "set-up, responder: first message to text", least: 1200, rival: accept,
			floor: 5*dh + decapsulate,
			cost:  each(func() { b.accept(t, keys, in, msg) })},
	}
}

// sizes tells the rest: allocations, stored state, what a far jump costs.
func sizes(t *testing.T) {
	text := make([]byte, textBytes)
	alice, bob, ad := talk(t)
	for range 10 { // until no piece of the braid is completed
		open(t, &bob, seal(t, &alice, text, ad), ad)
	}
	msg := seal(t, &alice, text, ad)
	t.Logf("allocations of a message in a running chain: %.0f to seal, %.0f to open (at most 12)",
		testing.AllocsPerRun(100, func() { s := alice; seal(t, &s, text, ad) }),
		testing.AllocsPerRun(100, func() { s := bob; open(t, &s, msg, ad) }))
	largest := 0
	for range 200 {
		open(t, &bob, seal(t, &alice, text, ad), ad)
		open(t, &alice, seal(t, &bob, text, ad), ad)
		largest = max(largest, len(stored(t, alice)), len(stored(t, bob)))
	}
	t.Logf("stored session without skipped keys: at most %d bytes over 14 epochs or so (at most 8192)", largest)
	if largest > 8192 {
		t.Error("a stored session is too large")
	}
	open(t, &bob, seal(t, &alice, text, ad), ad)
	var far [2][]byte
	for i, n := range []int{ratchet.MaxSkip + 1, 20 * ratchet.MaxSkip} {
		s := alice
		for range n {
			far[i] = seal(t, &s, text, ad)
		}
		far[i] = seal(t, &s, text, ad)
	}
	refuse := func(msg []byte) time.Duration {
		return each(func() {
			if _, _, err := bob.Open(msg, ad, now); err != ratchet.ErrTooFar {
				t.Fatal(err)
			}
		})
	}
	t.Logf("a jump of %d refused in %v, one of %d in %v", ratchet.MaxSkip+1, refuse(far[0]), 20*ratchet.MaxSkip, refuse(far[1]))
}
