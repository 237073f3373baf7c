package ratchet_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"kith/ratchet"
)

// This file is a second implementation of docs/spec/ratchet.md, written for
// reading, over crypto/hmac and crypto/hkdf and without any limit. Tests use it
// to check the first, to read its states, and to make messages it never makes.

// refChain is a sending or receiving chain.
type refChain struct {
	header, chain []byte
	n             uint32
}

// refState is a session's state, section 9. Nil means absent.
type refState struct {
	root, nextSend, nextRecv []byte
	private, public, peer    []byte
	send, recv               *refChain
	pn                       uint32
	opened, received         uint64
	closed                   []refClosed
	skipped                  []refSkipped
	pq                       refPQ
}

type refClosed struct {
	number uint64
	header []byte
}

type refSkipped struct {
	chain      uint64
	n          uint32
	opened, at uint64
	key        []byte
}

// refPQ is the post-quantum ratchet's part of it.
type refPQ struct {
	role       uint8
	root       []byte
	first      uint64
	epochs     []refEpoch
	sending    uint64
	previous   uint32
	receiving  uint64
	since      uint32
	braidEpoch uint64
	braid      []byte // phase, epoch and the rest as they are
	skipped    []refSkipped
}

type refEpoch struct{ send, recv *refPQChain }

type refPQChain struct {
	next []byte
	n    uint32
}

type refReader struct{ b []byte }

func (r *refReader) take(n int) []byte {
	v := bytes.Clone(r.b[:n])
	r.b = r.b[n:]
	return v
}
func (r *refReader) u8() uint8   { return r.take(1)[0] }
func (r *refReader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *refReader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *refReader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }
func (r *refReader) chain() *refChain {
	return &refChain{r.take(32), r.take(32), r.u32()}
}
func (r *refReader) skipped() (keys []refSkipped) {
	for range r.u16() {
		keys = append(keys, refSkipped{r.u64(), r.u32(), r.u64(), r.u64(), r.take(32)})
	}
	return keys
}

// braidSize is the length of what follows phase, epoch and authenticator in a
// braid's state, without the chunks collected.
var braidSize = [...]int{0, 64 + 1152 + 96 + 2, 64 + 1152 + 2, 64 + 1152 + 960 + 2, 64 + 960, 0, 64,
	64 + 32 + 960 + 2, 960 + 160 + 2, 64 + 32 + 960, 160 + 2}

// braidCollects says in which phases chunks collected follow.
var braidCollects = [...]bool{2: true, 4: true, 5: true, 7: true, 9: true, 10: false}

func (r *refReader) braid() (epoch uint64, b []byte) {
	phase := r.b[0]
	epoch = binary.BigEndian.Uint64(r.b[1:])
	n := 1 + 8 + 64 + braidSize[phase]
	if braidCollects[phase] {
		n += 1 + 34*int(r.b[n])
	}
	return epoch, r.take(n)
}

// parseState reads the state of a session.
func parseState(t testing.TB, s *ratchet.Session) *refState {
	t.Helper()
	r := refReader{state(t, s)}
	if v, suite := r.u8(), r.u16(); v != 2 || suite != 1 {
		t.Fatalf("state of version %d, suite %d", v, suite)
	}
	flags := r.u8()
	x := &refState{root: r.take(32), nextSend: r.take(32), nextRecv: r.take(32)}
	if flags&1 != 0 {
		x.private, x.public = r.take(32), r.take(32)
	}
	if flags&2 != 0 {
		x.peer = r.take(32)
	}
	if flags&3 == 3 {
		x.send = r.chain()
	}
	if flags&4 != 0 {
		x.recv = r.chain()
	}
	x.pn, x.opened, x.received = r.u32(), r.u64(), r.u64()
	for range r.u8() {
		x.closed = append(x.closed, refClosed{r.u64(), r.take(32)})
	}
	x.skipped = r.skipped()
	x.pq = refPQ{role: r.u8(), root: r.take(32)}
	count := r.u8()
	x.pq.first = r.u64()
	for range count {
		var e refEpoch
		flags := r.u8()
		if flags&1 != 0 {
			e.send = &refPQChain{r.take(32), r.u32()}
		}
		if flags&2 != 0 {
			e.recv = &refPQChain{r.take(32), r.u32()}
		}
		x.pq.epochs = append(x.pq.epochs, e)
	}
	x.pq.sending, x.pq.previous, x.pq.receiving, x.pq.since = r.u64(), r.u32(), r.u64(), r.u32()
	x.pq.braidEpoch, x.pq.braid = r.braid()
	x.pq.skipped = r.skipped()
	if len(r.b) != 0 {
		t.Fatalf("%d bytes after the state", len(r.b))
	}
	return x
}

// encode writes the state again, whatever it says.
func (x *refState) encode() []byte {
	b := []byte{2, 0, 1, 0}
	b = append(b, x.root...)
	b = append(b, x.nextSend...)
	b = append(b, x.nextRecv...)
	if x.private != nil {
		b[3] |= 1
		b = append(append(b, x.private...), x.public...)
	}
	if x.peer != nil {
		b[3] |= 2
		b = append(b, x.peer...)
	}
	for _, c := range []*refChain{x.send, x.recv} {
		if c != nil {
			b = append(append(b, c.header...), c.chain...)
			b = binary.BigEndian.AppendUint32(b, c.n)
		}
	}
	if x.recv != nil {
		b[3] |= 4
	}
	b = binary.BigEndian.AppendUint32(b, x.pn)
	b = binary.BigEndian.AppendUint64(b, x.opened)
	b = binary.BigEndian.AppendUint64(b, x.received)
	b = append(b, uint8(len(x.closed)))
	for _, c := range x.closed {
		b = append(binary.BigEndian.AppendUint64(b, c.number), c.header...)
	}
	b = appendSkipped(b, x.skipped)
	return x.pq.append(b)
}

func (x *refPQ) append(b []byte) []byte {
	b = append(append(b, x.role), x.root...)
	b = append(b, uint8(len(x.epochs)))
	b = binary.BigEndian.AppendUint64(b, x.first)
	for _, e := range x.epochs {
		flags := len(b)
		b = append(b, 0)
		for i, c := range []*refPQChain{e.send, e.recv} {
			if c != nil {
				b[flags] |= 1 << i
				b = binary.BigEndian.AppendUint32(append(b, c.next...), c.n)
			}
		}
	}
	b = binary.BigEndian.AppendUint64(b, x.sending)
	b = binary.BigEndian.AppendUint32(b, x.previous)
	b = binary.BigEndian.AppendUint64(b, x.receiving)
	b = binary.BigEndian.AppendUint32(b, x.since)
	b = append(b, x.braid...)
	return appendSkipped(b, x.skipped)
}

func appendSkipped(b []byte, keys []refSkipped) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(keys)))
	for _, k := range keys {
		b = binary.BigEndian.AppendUint64(b, k.chain)
		b = binary.BigEndian.AppendUint32(b, k.n)
		b = binary.BigEndian.AppendUint64(b, k.opened)
		b = binary.BigEndian.AppendUint64(b, k.at)
		b = append(b, k.key...)
	}
	return b
}

// clone copies all that other functions here change in place.
func (x *refState) clone() *refState {
	c := *x
	c.pq.epochs = nil
	for _, e := range x.pq.epochs {
		if e.send != nil {
			e.send = new(*e.send)
		}
		if e.recv != nil {
			e.recv = new(*e.recv)
		}
		c.pq.epochs = append(c.pq.epochs, e)
	}
	return &c
}

// sendChain is the chain of the epoch the state's braid is in.
func (x *refPQ) sendChain() *refPQChain { return x.epochs[x.braidEpoch-1-x.first].send }
func (x *refPQ) recvChain() *refPQChain { return x.epochs[x.receiving-x.first].recv }

// step moves a chain on by one and returns the key, section 5.
func (c *refPQChain) step() []byte {
	c.n++
	info := binary.BigEndian.AppendUint32(nil, c.n)
	b := refHKDF(make([]byte, 32), c.next, string(info)+"kith v1 ratchet quantum chain", 64)
	c.next = b[:32]
	return b[32:]
}

// key returns the key of message n, not yet used.
func (c *refPQChain) key(n uint32) (key []byte) {
	for at := *c; at.n < n; {
		key = at.step()
	}
	return key
}

func refMAC(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func refHKDF(salt, secret []byte, label string, n int) []byte {
	b, err := hkdf.Key(sha256.New, secret, salt, label, n)
	if err != nil {
		panic(err)
	}
	return b
}

func refDH(private, public []byte) []byte {
	k, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		panic(err)
	}
	p, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		panic(err)
	}
	z, err := k.ECDH(p)
	if err != nil {
		panic(err)
	}
	return z
}

// refRoot is KDF_RK_HE, section 5.
func refRoot(root, dh []byte) (newRoot, chain, header []byte) {
	b := refHKDF(root, dh, "kith v1 ratchet root", 96)
	return b[:32], b[32:64], b[64:]
}

// refHeader is what a header says, section 6. A hostile one may say anything.
type refHeader struct {
	suite      uint16
	key        []byte
	pn, n      uint32
	epoch      uint64
	pqN, pqPN  uint32
	kind       uint8
	first      uint16
	chunks     []byte
	unsettling []byte // instead of all that
}

func (h refHeader) encode() []byte {
	if h.unsettling != nil {
		return h.unsettling
	}
	b := binary.BigEndian.AppendUint16(nil, h.suite)
	b = append(b, h.key...)
	b = binary.BigEndian.AppendUint32(b, h.pn)
	b = binary.BigEndian.AppendUint32(b, h.n)
	b = binary.BigEndian.AppendUint64(b, h.epoch)
	b = binary.BigEndian.AppendUint32(b, h.pqN)
	b = binary.BigEndian.AppendUint32(b, h.pqPN)
	b = binary.BigEndian.AppendUint16(append(b, h.kind), h.first)
	return append(b, append(bytes.Clone(h.chunks), make([]byte, 256-len(h.chunks))...)...)
}

// refSealHeader is section 6.2.
func refSealHeader(version uint8, hk, plain []byte) []byte {
	keys, err := hkdf.Expand(sha256.New, hk, "kith v1 ratchet header", 64)
	if err != nil {
		panic(err)
	}
	prefix := binary.BigEndian.AppendUint16([]byte{version}, uint16(16+len(plain)))
	tag := refMAC(keys[:32], prefix, plain)[:16]
	block, err := aes.NewCipher(keys[32:])
	if err != nil {
		panic(err)
	}
	sealed := make([]byte, len(plain))
	cipher.NewCTR(block, tag).XORKeyStream(sealed, plain)
	return append(append(prefix, tag...), sealed...)
}

// refOpenHeader reverses refSealHeader for the fixed size of suite 1.
func refOpenHeader(t testing.TB, hk, msg []byte) refHeader {
	t.Helper()
	keys, err := hkdf.Expand(sha256.New, hk, "kith v1 ratchet header", 64)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(keys[32:])
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, 317)
	cipher.NewCTR(block, msg[3:19]).XORKeyStream(plain, msg[19:336])
	if !bytes.Equal(refMAC(keys[:32], msg[:3], plain)[:16], msg[3:19]) {
		t.Fatal("reference: header does not authenticate")
	}
	r := refReader{plain}
	return refHeader{suite: r.u16(), key: r.take(32), pn: r.u32(), n: r.u32(), epoch: r.u64(), pqN: r.u32(), pqPN: r.u32(),
		kind: r.u8(), first: r.u16(), chunks: r.take(256)}
}

// refBodyKeys is section 7.1: AES key, nonce, commitment.
func refBodyKeys(pq, message []byte) (key, nonce, commitment []byte) {
	b := refHKDF(pq, message, "kith v1 ratchet message", 60)
	return b[:32], b[32:44], b[44:]
}

// refSealBody is section 7.2.
func refSealBody(sealedHeader, pq, message, plaintext, ad []byte) []byte {
	key, nonce, commitment := refBodyKeys(pq, message)
	msg := append(bytes.Clone(sealedHeader), commitment...)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	full := binary.BigEndian.AppendUint32(nil, uint32(len(ad)))
	full = append(append(full, ad...), msg...)
	return gcm.Seal(msg, nonce, plaintext, full)
}

// messageKey returns message key n of a chain, and the chain key after it.
func (c *refChain) messageKey(n uint32) (message, after []byte) {
	after = c.chain
	for i := c.n; i <= n; i++ {
		message, after = refMAC(after, []byte{1}), refMAC(after, []byte{2})
	}
	return message, after
}

// forge makes a message the holder of a state could make: header, body and all
// in order, unless change says otherwise.
type forge struct {
	hk, message, pq []byte
	header          refHeader
	version         uint8
	plaintext       []byte
}

func (x *refState) forgery(hk, message, key []byte, n uint32) *forge {
	return &forge{hk: hk, message: message, version: 1, plaintext: []byte("forged"),
		header: refHeader{suite: 1, key: key, pn: x.pn, n: n, epoch: x.pq.braidEpoch, pqPN: x.pq.previous}}
}

// as takes the post-quantum key of message n of a chain.
func (f *forge) as(c *refPQChain, n uint32) *forge {
	f.header.pqN, f.pq = n, c.key(n)
	return f
}

// forgeNext prepares message n of the state's sending chain, as Seal would.
func (x *refState) forgeNext(n uint32) *forge {
	message, _ := x.send.messageKey(n)
	c := x.pq.sendChain()
	return x.forgery(x.send.header, message, x.public, n).as(c, c.n+1+n-x.send.n)
}

// forgeChain prepares message n of the next sending chain with that ratchet key,
// as if the state's owner had stepped.
func (x *refState) forgeChain(private []byte, n uint32) *forge {
	k, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		panic(err)
	}
	_, chain, _ := refRoot(x.root, refDH(private, x.peer))
	message, _ := (&refChain{chain: chain}).messageKey(n)
	c := x.pq.sendChain()
	f := x.forgery(x.nextSend, message, k.PublicKey().Bytes(), n).as(c, c.n+1+n)
	f.header.pn = 0
	return f
}

// forgeAgainst prepares message n of the next chain the state would receive, with
// any ratchet key: it knows the receiver's own private key, so that nothing but
// the check under test can stop the message.
func (x *refState) forgeAgainst(key []byte, n uint32) *forge {
	_, chain, _ := refRoot(x.root, refDH(x.private, key))
	message, _ := (&refChain{chain: chain}).messageKey(n)
	c := x.pq.recvChain()
	f := x.forgery(x.nextRecv, message, key, n).as(c, c.n+1+n)
	f.header.pn, f.header.pqPN, f.header.epoch = 0, 0, x.pq.receiving+1
	return f
}

func (f *forge) seal() []byte {
	return refSealBody(refSealHeader(f.version, f.hk, f.header.encode()), f.pq, f.message, f.plaintext, ad)
}

// TestRatchet_R24_referenceAgrees plays a conversation in which every message
// and every state is computed a second time from the specification.
func TestRatchet_R24_referenceAgrees(t *testing.T) {
	alice, bob := newPair(t)
	sides := [2]**ratchet.Session{&alice, &bob}
	for round := range 40 {
		from, to := sides[round%2], sides[(round+1)%2]
		for i := range 3 {
			before := parseState(t, *from)
			text := string(bytes.Repeat([]byte{'x'}, 10*i))
			msg := seal(t, from, text)
			after := parseState(t, *from)
			checkSeal(t, before, after, msg, text)
			recvBefore := parseState(t, *to)
			open(t, to, msg, text)
			checkOpen(t, recvBefore, parseState(t, *to), after, msg)
		}
	}
	if x := parseState(t, alice); x.pq.first == 0 {
		t.Error("no epoch of the post-quantum ratchet has passed")
	}
}

// agreed takes over what the braid did: its state, and the chains of a new epoch.
func (x *refPQ) agreed(after *refPQ) {
	x.braid, x.braidEpoch = after.braid, after.braidEpoch
	x.since++
	if last := after.first + uint64(len(after.epochs)); last > x.first+uint64(len(x.epochs)) {
		x.root, x.since = after.root, 0
		x.epochs = append(x.epochs, after.epochs[len(after.epochs)-1])
	}
}

// forget drops epochs whose chains are both gone.
func (x *refPQ) forget() {
	for len(x.epochs) > 1 && x.epochs[0] == (refEpoch{}) {
		x.epochs = x.epochs[1:]
		x.first++
	}
}

func checkSeal(t *testing.T, before, after *refState, msg []byte, text string) {
	t.Helper()
	want := before.clone()
	send := before.send
	if send == nil {
		send = &refChain{header: before.nextSend}
		want.private, want.public = after.private, after.public
		want.root, send.chain, want.nextSend = refRoot(before.root, refDH(after.private, before.peer))
	}
	message, chain := send.messageKey(send.n)
	theirs := refOpenHeader(t, send.header, msg)

	pq := &want.pq
	epoch := pq.braidEpoch // the braid's before it moved on
	pq.agreed(&after.clone().pq)
	if epoch-1 != pq.sending {
		e := &pq.epochs[pq.sending-pq.first]
		pq.previous, e.send = e.send.n, nil
		pq.sending = epoch - 1
		pq.forget()
	}
	c := pq.epochs[pq.sending-pq.first].send
	pqKey := c.step()

	h := refHeader{suite: 1, key: after.public, pn: before.pn, n: send.n, epoch: epoch, pqN: c.n, pqPN: pq.previous,
		kind: theirs.kind, first: theirs.first, chunks: theirs.chunks}
	ref := refSealBody(refSealHeader(1, send.header, h.encode()), pqKey, message, []byte(text), ad)
	if !bytes.Equal(ref, msg) {
		t.Fatalf("message differs from the reference")
	}
	want.send = &refChain{send.header, chain, send.n + 1}
	if !bytes.Equal(want.encode(), after.encode()) {
		t.Fatal("state after Seal differs from the reference")
	}
}

// checkOpen checks the state after a message that came in order.
func checkOpen(t *testing.T, before, after, sender *refState, msg []byte) {
	t.Helper()
	want := before.clone()
	want.opened++
	recv := before.recv
	if !bytes.Equal(before.peer, sender.public) {
		recv = &refChain{header: before.nextRecv}
		want.root, recv.chain, want.nextRecv = refRoot(before.root, refDH(before.private, sender.public))
		if before.send != nil {
			want.pn = before.send.n
		}
		want.private, want.public, want.send, want.peer = nil, nil, nil, sender.public
		want.received++
	}
	_, chain := recv.messageKey(recv.n)
	want.recv = &refChain{recv.header, chain, recv.n + 1}

	h := refOpenHeader(t, recv.header, msg)
	pq := &want.pq
	if number := h.epoch - 1; number > pq.receiving {
		pq.epochs[pq.receiving-pq.first].recv = nil
		pq.receiving = number
	}
	pq.recvChain().step()
	pq.forget()
	pq.agreed(&after.clone().pq)
	if !bytes.Equal(want.encode(), after.encode()) {
		t.Fatal("state after Open differs from the reference")
	}
}

// sealWithCommitment is refSealBody with a commitment of one's choice, bound by
// the ciphertext as the true one would be.
func sealWithCommitment(sealedHeader, pq, message, commitment []byte) []byte {
	key, nonce, _ := refBodyKeys(pq, message)
	msg := append(bytes.Clone(sealedHeader), commitment...)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	full := binary.BigEndian.AppendUint32(nil, uint32(len(ad)))
	full = append(append(full, ad...), msg...)
	return gcm.Seal(msg, nonce, []byte("text"), full)
}
