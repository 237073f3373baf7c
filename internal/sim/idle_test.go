package sim

import (
	"fmt"
	"testing"
	"time"

	"kith/box"
)

// What a frame of a request or an answer costs on the wire: it is one TLS record (5
// bytes of header, 1 of type, 16 of tag) in TCP segments of at most 1448 bytes with 52
// bytes of IPv4 and TCP headers each, of which every second is acknowledged with 52.
const (
	tlsRecord    = box.FrameSize + 22
	segments     = (tlsRecord + 1447) / 1448
	frameOnWire  = tlsRecord + 52*segments + 52*((segments+1)/2)
	probesOnWire = 2 * 2 * 52 * 24 * 60 / 4 // a day of one link: both sides probe every 4 minutes
	idleContacts = 50
	idleMost     = 25_000_000 // bytes a day
)

// TestBoxing_BG09_idleTraffic counts what a device with 50 contacts says to its four
// relays, and they to it, in a day on which nothing happens: when all was read, and
// weeks later, when streams were told of and something waits for each of them. Links to
// contacts who are up cost what QUIC costs and are not in it.
func TestBoxing_BG09_idleTraffic(t *testing.T) {
	w := New(*flagSeed)
	alice := must(t)(w.AddDevice("alice", 0))
	var relays []*Relay
	for range 4 {
		relays = append(relays, w.AddRelay())
	}
	if err := alice.UseRelays(relays...); err != nil {
		t.Fatal(err)
	}
	var contacts []*Device
	for i := range idleContacts {
		d := must(t)(w.AddDevice(fmt.Sprint("contact", i), 0))
		meet(t, w, alice, d)
		w.Advance(time.Second)
		d.Switch(false)
		contacts = append(contacts, d)
	}
	day := func(when string) {
		t.Helper()
		asked := func() (n int) {
			for _, r := range relays {
				n += r.Puts + r.Gets
			}
			return n
		}
		before := asked()
		w.Advance(24 * time.Hour)
		n := asked() - before
		bytes := n*2*frameOnWire + len(relays)*probesOnWire
		t.Logf("seed %d: %s: %d requests a day, %d bytes each with their answer: %.1f MB a day", *flagSeed, when, n, 2*frameOnWire, float64(bytes)/1e6)
		if bytes > idleMost || n < idleContacts*24 {
			t.Errorf("%s: %d requests, %d bytes", when, n, bytes)
		}
	}
	w.Advance(2 * 24 * time.Hour) // what first contact left to do is done
	day("all read")
	for range 3 { // each is there once a week and says something, and so does she
		for _, d := range contacts {
			w.Cut(alice, d)
			d.Switch(true)
			say(t, d, alice, "here I am")
			say(t, alice, d, "hello")
		}
		w.Advance(2 * time.Hour)
		for _, d := range contacts {
			d.Switch(false)
		}
		w.Advance(8 * 24 * time.Hour)
	}
	day("after weeks")
}
