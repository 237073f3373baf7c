package box_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kith/box"
)

const someKey = "aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq" // 32 × 01

// TestBox_BX12_links: a link has one form, and a relay is named by its key alone.
func TestBox_BX12_links(t *testing.T) {
	for _, addrs := range []string{
		"192.0.2.1:4400", "[2001:db8::1]:1", "relay.example:65535", "a:1", "a1.b-2.c:1", "xn--bcher-kva.example:80", "1a.example:1", "x--y:1",
		"192.0.2.1:1,192.0.2.1:2,[::1]:3,a.b:4", strings.Repeat("a", 63) + "." + strings.Repeat("b", 62) + ":1", "0.0.0.0:9", "[fe80::1]:9",
	} {
		link := "kith-relay://" + someKey + "@" + addrs
		r, err := box.ParseRelay(link)
		if err != nil || r.Key != fill(1) || strings.Join(r.Addrs, ",") != addrs || r.String() != link || !box.IsRelay(link) {
			t.Errorf("%s: %+v, %v", addrs, r, err)
		}
		if r.ID() != sha256.Sum256(r.Key[:]) {
			t.Errorf("%s: another id", addrs)
		}
	}
	good := "kith-relay://" + someKey + "@a:1"
	for name, link := range map[string]string{
		"empty": "", "scheme alone": "kith-relay://", "another scheme": "kith://" + someKey + "@a:1", "a scheme in capitals": "KITH-relay://" + someKey + "@a:1",
		"no key": "kith-relay://@a:1", "no address": "kith-relay://" + someKey, "an empty one": "kith-relay://" + someKey + "@", "a key in capitals": "kith-relay://" + strings.ToUpper(someKey) + "@a:1",
		"a key of 31 bytes": "kith-relay://" + someKey[:50] + "@a:1", "a key of 33": "kith-relay://" + someKey + "aa@a:1", "padded": "kith-relay://" + someKey + "====@a:1",
		"unused bits": "kith-relay://" + someKey[:51] + "r@a:1", "no base 32": "kith-relay://" + someKey[:51] + "1@a:1", "a long s": "kith-relay://\u017f" + someKey[1:] + "@a:1",
		"a line end": "kith-relay://" + someKey[:20] + "\n" + someKey[20:] + "@a:1", "after the end": good + " ", "before the begin": " " + good, "a path": good + "/", "a fragment": good + "#x",
		"five addresses": good + ",a:2,a:3,a:4,a:5", "one twice": good + ",a:1", "a comma at the end": good + ",", "two @": good + "@a:2",
	} {
		if r, err := box.ParseRelay(link); err != box.ErrMalformed || len(r.Addrs) > 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if box.IsRelay("kith:invite") || box.IsRelay("") {
		t.Error("no link, and taken for one")
	}
}

// TestBox_BX12_addresses: each host has one form.
func TestBox_BX12_addresses(t *testing.T) {
	for _, a := range []string{
		"", ":", ":1", "a", "a:", "a:0", "a:01", "a:+1", "a:-1", "a: 1", "a:65536", "a:99999999999999999999", "a:1x", "A:1", "a_b:1", "a b:1", "ä:1", "a..b:1", ".a:1", "a.:1", "-a:1", "a-:1", "a.-b:1", "a-.b:1",
		"1:1", "1.2:1", "a.1:1", "a.1b:1", "256.0.0.1:1", "1.2.3.4.5:1", "01.2.3.4:1", "127.1:1", "0x7f000001:1", "2130706433:1", "a.0x7f:1",
		"::1:1", "[::1:1", "[::1]1", "[::1]x:1", "[]:1", "[1.2.3.4]:1", "[::1%eth0]:1", "[::0]:1", "[2001:DB8::1]:1", "[2001:db8:0:0:0:0:0:1]:1", "[::ffff:192.0.2.1]:1", "[::ffff:c000:201]:1", "[a]:1",
		strings.Repeat("a", 64) + ":1", strings.Repeat("a.", 63) + "a:1", "a:1,b:1", "a@b:1", "a/b:1",
	} {
		if box.ValidAddr(a) {
			t.Errorf("%q is taken for an address", a)
		}
	}
}

// TestBox_BX13_order: relays of a box in the order of their hashes, whoever computes it.
func TestBox_BX13_order(t *testing.T) {
	rng := draw(t)
	relays := make([]box.RelayID, 50)
	for i := range relays {
		relays[i] = box.RelayID(drawn(rng, 32))
	}
	for range 20 {
		b := [32]byte(drawn(rng, 32))
		score := func(id box.RelayID) string {
			return hex.EncodeToString(sha(bytes.Join([][]byte{[]byte("place/1"), b[:], id[:]}, nil)))
		}
		order := box.Rank(b, relays)
		if len(order) != len(relays) || !slices.IsSortedFunc(order, func(i, j int) int { return strings.Compare(score(relays[i]), score(relays[j])) }) {
			t.Fatalf("relays in another order: %v", order)
		}
		// In whatever order they are given.
		other := slices.Clone(relays)
		rng.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		for k, i := range box.Rank(b, other) {
			if other[i] != relays[order[k]] {
				t.Fatalf("another relay in place %d", k)
			}
		}
	}
	if got := box.Rank(fill(1), nil); len(got) != 0 {
		t.Errorf("no relays are in the order %v", got)
	}
	twins := []box.RelayID{{2}, {1}, {1}, {2}}
	if got := fmt.Sprint(box.Rank(fill(1), twins)); got != "[1 2 0 3]" && got != "[0 3 1 2]" {
		t.Errorf("the same relays twice are in the order %s", got)
	}
}

// TestBox_BX13_stability: a relay more moves only what comes to lie on it, a relay
// less only what lay on it: about k boxes of n. Control: counting relays off by the
// box's first bytes moves nearly all.
func TestBox_BX13_stability(t *testing.T) {
	rng := draw(t)
	const n, k, boxes = 40, 4, 3000
	relays := make([]box.RelayID, n+1)
	for i := range relays {
		relays[i] = box.RelayID(drawn(rng, 32))
	}
	near := func(b [32]byte, of []box.RelayID) []int { return box.Rank(b, of)[:k] }
	moved, control, load := 0, 0, make([]int, n)
	for range boxes {
		b := [32]byte(drawn(rng, 32))
		before, after := near(b, relays[:n]), near(b, relays)
		for _, i := range before {
			load[i]++
		}
		if i := slices.Index(after, n); i >= 0 {
			moved++
			after = append(slices.Delete(after, i, i+1), before[k-1])
		}
		if !slices.Equal(before, after) {
			t.Fatal("a relay more changed the order of the others")
		}
		first := int(b[0])<<8 | int(b[1])
		if first%n != first%(n+1) {
			control++
		}
	}
	// Of 3000 boxes 3000·4/41 = 293, with a standard deviation of 16.
	if moved < 220 || moved > 366 {
		t.Errorf("%d boxes of %d came to lie on the new relay", moved, boxes)
	}
	if control < boxes*9/10 {
		t.Errorf("the control moved %d", control)
	}
	// Each relay has 300, with a standard deviation of 16.4.
	if slices.Min(load) < 220 || slices.Max(load) > 380 {
		t.Errorf("relays hold from %d to %d boxes", slices.Min(load), slices.Max(load))
	}
}

// TestBox_BX14_invites: two directions of one secret, each end its own.
func TestBox_BX14_invites(t *testing.T) {
	inviter, taker := [32]byte(sha([]byte("drop/1 inviter"))), [32]byte(sha([]byte("drop/1 taker")))
	for name, end := range map[string]struct {
		c    *box.Chain
		r    *box.Reader
		want *box.Chain
	}{
		"from the inviter": {box.InviterChain(fill(3)), box.InviterReader(fill(3)), box.NewChain(fill(3), inviter, taker)},
		"from the taker":   {box.TakerChain(fill(3)), box.TakerReader(fill(3)), box.NewChain(fill(3), taker, inviter)},
	} {
		if !bytes.Equal(marshal(t, end.c), marshal(t, end.want)) {
			t.Errorf("%s: another chain", name)
		}
		p := seal(t, end.c, []byte(name))
		if _, got, err := end.r.Open(p.Box, p.Expiry, p.Cell); err != nil || string(got) != name {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if seal(t, box.InviterChain(fill(3)), nil).Box == seal(t, box.TakerChain(fill(3)), nil).Box {
		t.Error("both directions have the same boxes")
	}
}
