package netns

import (
	"flag"
	"slices"
	"testing"
	"time"

	apiv1 "kith/api/v1"
)

var punches = flag.Int("punches", 3, "how many times two homes find a direct way in TestHomes_directAfterHolePunching; 20 for the figure")

// punchWithin is the time to a direct connection after both are up; of 20 times
// 19 should keep it.
const punchWithin = 5 * time.Second

// TestLAN_neighboursFindEachOtherByMDNS: two contacts whose addresses all changed
// while both were away have nothing but multicast to meet by.
func TestLAN_neighboursFindEachOtherByMDNS(t *testing.T) {
	l := newLab(t)
	first, second := l.home(cone), l.home(cone)
	alice, bob := first.host().person("Alice"), first.host().person("Bob")
	alice.up()
	bob.up()
	bob.meet(alice)
	converse(alice, bob, "at home", 3)
	alice.down()
	bob.down()
	alice.at.move(second)
	bob.at.move(second)
	began := time.Now()
	alice.up()
	bob.up()
	bob.until("a direct link", 30*time.Second, direct)
	t.Logf("linked %v after both came up elsewhere", time.Since(began).Round(time.Millisecond))
	converse(alice, bob, "elsewhere", 3)
}

// TestHomes_directAfterHolePunching: two homes behind common routers meet through
// a relay that is in the middle for a moment.
func TestHomes_directAfterHolePunching(t *testing.T) {
	l := newLab(t)
	r := l.public().relay()
	alice, bob := l.home(cone).host().person("Alice"), l.home(cone).host().person("Bob")
	alice.up(begin(r)...)
	bob.up(begin(r)...)
	alice.until("a place at the relay", 30*time.Second, reserved)
	bob.meet(alice)
	bob.until("a direct link", 30*time.Second, direct)
	converse(alice, bob, "first", 5)
	var took []time.Duration
	for i := range *punches {
		alice.down()
		bob.down()
		alice.up()
		alice.until("a place at the relay", 30*time.Second, reserved)
		bob.up()
		d, ok := bob.within(30*time.Second, direct)
		if !ok {
			t.Errorf("time %d: no direct link in %v: %v\n%s%s", i, d, bob.reach(), alice.said(), bob.said())
		}
		if ok && d > punchWithin {
			t.Logf("time %d took %v\n%s%s", i, d, alice.said(), bob.said())
		}
		took = append(took, d)
		converse(alice, bob, "again", 1)
	}
	slices.Sort(took)
	late := 0
	for _, d := range took {
		if d > punchWithin {
			late++
		}
	}
	t.Logf("direct after %v (median of %d; least %v, most %v), %d later than %v", took[len(took)/2].Round(time.Millisecond), len(took),
		took[0].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond), late, punchWithin)
	if late > len(took)/20 {
		t.Errorf("%d of %d took longer than %v", late, len(took), punchWithin)
	}
}

// TestHomes_symmetricRoutersMeetThroughARelay: no hole can be punched between
// routers that give a port for each destination; the relay stays in the middle.
func TestHomes_symmetricRoutersMeetThroughARelay(t *testing.T) {
	l := newLab(t)
	r := l.public().relay()
	alice, bob := l.home(symmetric).host().person("Alice"), l.home(symmetric).host().person("Bob")
	alice.up(begin(r)...)
	bob.up(begin(r)...)
	alice.until("a place at the relay", 30*time.Second, reserved)
	bob.meet(alice)
	bob.until("a link through the relay", 30*time.Second, relayed)
	converse(alice, bob, "through a relay", 10)
	if !relayed(bob.reach()) {
		t.Errorf("not through a relay: %v", bob.reach())
	}
	// One without UDP, too, over TCP to the relay.
	bob.down()
	quiet := l.home(noUDP)
	bob.at.move(quiet)
	bob.up()
	bob.until("a link through the relay", 60*time.Second, relayed)
	converse(alice, bob, "without UDP", 3)
}

// TestHomes_movedContactsFindEachOtherByRendezvous: both have moved while both were
// away; the relays of before are gone, and they share none. What one leaves word of
// in the DHT the other finds.
func TestHomes_movedContactsFindEachOtherByRendezvous(t *testing.T) {
	l := newLab(t)
	r := l.public().relay()
	first := l.public().relay(begin(r)...)
	second := l.public().relay(begin(r)...)
	alice, bob := l.home(cone).host().person("Alice"), l.home(cone).host().person("Bob")
	alice.up(begin(r)...)
	bob.up(begin(r)...)
	alice.until("a place at the relay", 30*time.Second, reserved)
	bob.meet(alice)
	converse(alice, bob, "before", 2)
	alice.down()
	bob.down()
	alice.at.move(l.home(cone))
	bob.at.move(l.home(cone))
	began := time.Now()
	alice.up(begin(first)...)
	bob.up(begin(second)...)
	bob.until("a link", 80*time.Second, func(x *apiv1.ReachResponse) bool { return direct(x) || relayed(x) })
	t.Logf("linked %v after both came up elsewhere, at other relays", time.Since(began).Round(time.Millisecond))
	converse(alice, bob, "after", 3)
	bob.until("a direct link", 30*time.Second, direct)
}

// TestDoctor_saysWhatTheRouterDoes: with the node up and with it down.
func TestDoctor_saysWhatTheRouterDoes(t *testing.T) {
	l := newLab(t)
	first, second := l.public().relay(), l.public().relay()
	alice := l.home(cone).host().person("Alice")
	for _, x := range []struct {
		kind nat
		want map[string]string
	}{
		{cone, map[string]string{"udp": "good", "reach": "good", "holes": "good", "dht": "good", "clock": "good", "relay": "good"}},
		{symmetric, map[string]string{"udp": "good", "reach": "poor", "holes": "poor", "relay": "good"}},
		{noUDP, map[string]string{"udp": "poor", "reach": "unknown", "holes": "poor", "relay": "good"}},
	} {
		alice.at.move(l.home(x.kind))
		alice.up(begin(first, second)...)
		if x.kind == cone {
			alice.kith(nil, "relays", "add", first.Link)
		}
		alice.until("both relays", 30*time.Second, func(r *apiv1.ReachResponse) bool {
			n := 0
			for _, l := range r.GetRelays() {
				if l.GetConnected() && l.GetReserved() {
					n++
				}
			}
			return n == 2 && r.GetNodes() == 2 && (r.GetPunch() || x.kind == noUDP)
		})
		for _, up := range []bool{true, false} {
			if !up {
				alice.down()
			}
			found := alice.doctor()
			for name, want := range x.want {
				if found[name].State != want {
					t.Errorf("%s, node up %v: %s is %+v, want %s", x.kind, up, name, found[name], want)
				}
			}
		}
	}
	first.kill()
	if f := alice.doctor()["relay"]; f.State != "bad" {
		t.Errorf("a relay that is gone: %+v", f)
	}
}
