package sim

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/cryptotest"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
)

// people makes a calm world with devices in it.
func people(t *testing.T, names ...string) (*World, []*Device) {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 42)
	w := New(42)
	w.Faults = Faults{MaxDelay: 20 * time.Millisecond}
	var all []*Device
	for _, n := range names {
		all = append(all, must(t)(w.AddDevice(n, 0)))
	}
	return w, all
}

func invite(t *testing.T, d *Device, life time.Duration) *identity.Invite {
	t.Helper()
	inv, err := d.Invite(life)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func add(t *testing.T, d *Device, inv *identity.Invite) {
	t.Helper()
	if _, err := d.Do(engine.Add{Invite: inv}); err != nil {
		t.Fatal(err)
	}
}

func contact(t *testing.T, a, b *Device) chat.Contact {
	t.Helper()
	c, ok, _ := a.mem.Contact(b.Self.Account)
	if !ok {
		t.Fatalf("%s does not know %s", a.Name, b.Name)
	}
	return c
}

func texts(d, with *Device) (all []string) {
	for _, m := range d.Timeline(with) {
		all = append(all, m.Text+" "+m.State.String())
	}
	return all
}

func wantCode(t *testing.T, err error, code engine.Code) {
	t.Helper()
	var e *engine.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want code %d", err, code)
	}
}

func TestContact_FC11_inviteServesOnePersonOnly(t *testing.T) {
	w, d := people(t, "alice", "bob", "carol")
	alice, bob, carol := d[0], d[1], d[2]
	inv := invite(t, alice, time.Hour)
	add(t, bob, inv)
	w.Advance(time.Minute)
	add(t, carol, inv)
	if _, err := carol.Send(alice, "hello?"); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Minute)
	if c := contact(t, bob, alice); c.State != chat.ContactEstablished {
		t.Errorf("bob: %v", c.State)
	}
	if c := contact(t, carol, alice); c.State != chat.ContactRefused || c.Reason != wire.ReasonUsed {
		t.Errorf("carol: %v, %v", c.State, c.Reason)
	}
	if _, ok, _ := alice.mem.Contact(carol.Self.Account); ok {
		t.Error("a second user of an invite became a contact")
	}
	_, err := carol.Send(alice, "still there?")
	wantCode(t, err, engine.NotNow)

	// A new invite brings what was written before, once.
	add(t, carol, invite(t, alice, time.Hour))
	w.Advance(time.Minute)
	if got := fmt.Sprint(texts(alice, carol)); got != "[hello? delivered]" {
		t.Errorf("alice sees %s", got)
	}
	if got := fmt.Sprint(texts(carol, alice)); got != "[hello? delivered]" {
		t.Errorf("carol sees %s", got)
	}
}

func TestContact_FC16_twoRaceForOneInvite(t *testing.T) {
	for order := range 2 {
		w, d := people(t, "alice", "bob", "carol")
		alice := d[0]
		inv := invite(t, alice, time.Hour)
		add(t, d[1+order], inv)
		add(t, d[2-order], inv)
		w.Advance(10 * time.Minute)
		won := 0
		for _, p := range d[1:] {
			switch c := contact(t, p, alice); c.State {
			case chat.ContactEstablished:
				won++
			case chat.ContactRefused:
			default:
				t.Errorf("%s is left %v", p.Name, c.State)
			}
		}
		if contacts, _ := alice.mem.Contacts(); won != 1 || len(contacts) != 1 {
			t.Errorf("%d people took one invite, %d contacts", won, len(contacts))
		}
	}
}

func TestContact_FC03_expiredByEitherClock(t *testing.T) {
	w, d := people(t, "alice", "bob")
	alice, bob := d[0], d[1]
	inv := invite(t, alice, time.Hour)
	bob.skew = 365 * 24 * time.Hour
	_, err := bob.Do(engine.Add{Invite: inv})
	wantCode(t, err, engine.Expired)
	bob.skew = -365 * 24 * time.Hour // his clock sees no expiry; hers does
	w.Advance(2 * time.Hour)
	add(t, bob, inv)
	w.Advance(time.Minute)
	if c := contact(t, bob, alice); c.State != chat.ContactRefused || c.Reason != wire.ReasonExpired {
		t.Errorf("%v, %v", c.State, c.Reason)
	}
}

func TestContact_FC17_bothInviteEachOther(t *testing.T) {
	w, d := people(t, "alice", "bob")
	alice, bob := d[0], d[1]
	fromAlice, fromBob := invite(t, alice, time.Hour), invite(t, bob, time.Hour)
	add(t, alice, fromBob)
	add(t, bob, fromAlice)
	for i := range 5 {
		if _, err := alice.Send(bob, fmt.Sprint("a", i)); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Send(alice, fmt.Sprint("b", i)); err != nil {
			t.Fatal(err)
		}
	}
	w.Advance(10 * time.Minute)
	check(t, alice, bob, 5, 5)
	for _, text := range []string{"and", "on"} {
		if _, err := alice.Send(bob, text); err != nil {
			t.Fatal(err)
		}
		w.Advance(time.Minute)
		if _, err := bob.Send(alice, text); err != nil {
			t.Fatal(err)
		}
		w.Advance(time.Minute)
	}
	check(t, alice, bob, 7, 7)
}

func TestContact_FC04_ownAndSecondInvites(t *testing.T) {
	w, d := people(t, "alice", "bob")
	alice, bob := d[0], d[1]
	inv := invite(t, alice, time.Hour)
	_, err := alice.Do(engine.Add{Invite: inv})
	wantCode(t, err, engine.Invalid)
	add(t, bob, inv)
	_, err = bob.Do(engine.Add{Invite: inv})
	wantCode(t, err, engine.Exists)
	w.Advance(time.Minute)
	_, err = bob.Do(engine.Add{Invite: inv})
	wantCode(t, err, engine.Exists)
	_, err = bob.Do(engine.Add{Invite: invite(t, alice, time.Hour)})
	wantCode(t, err, engine.Exists)
}

// TestContact_FC12_nothingForgedIsTaken flips every byte of every envelope of
// a first contact and checks that nothing changes and nothing is acknowledged.
func TestContact_FC12_nothingForgedIsTaken(t *testing.T) {
	_, d := people(t, "alice", "bob")
	alice, bob := d[0], d[1]
	var m engine.Machine
	inv := invite(t, alice, time.Hour)
	add(t, bob, inv)
	// The true exchange by hand: request, bundle, initial, hello.
	envelope := bob.mem.outbox[0].Body
	from, to := bob, alice
	for step := range 4 {
		for i := range envelope {
			forged := bytes.Clone(envelope)
			forged[i] ^= 1 << (i % 8)
			refusedWithoutChange(t, &m, to, from, forged)
		}
		for _, cut := range [][]byte{nil, envelope[:1], envelope[:len(envelope)/2], envelope[:len(envelope)-1], append(bytes.Clone(envelope), 0)} {
			refusedWithoutChange(t, &m, to, from, cut)
		}
		up, err := m.Step(to.mem, to.now(), engine.Received{From: from.Self.Device.ID(), Envelope: envelope})
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		if _, err := to.mem.apply(up, to.now()); err != nil {
			t.Fatal(err)
		}
		if step < 3 {
			envelope = up.Outgoing[0].Body
			from, to = to, from
		}
	}
	if !established(alice, bob) || !established(bob, alice) {
		t.Error("the true envelopes did not make them contacts")
	}
}

// refusedWithoutChange gives a device an envelope that must change nothing. A
// request with another id is answered "unknown", which changes nothing either.
func refusedWithoutChange(t *testing.T, m *engine.Machine, to, from *Device, envelope []byte) {
	t.Helper()
	before := maps.Clone(to.mem.state)
	up, err := m.Step(to.mem, to.now(), engine.Received{From: from.Self.Device.ID(), Envelope: envelope})
	if err == nil && (up.Ack || len(up.State) > 0 || len(up.Events) > 0 || len(up.Seen) > 0 || len(up.Drop) > 0) {
		t.Fatalf("a forged envelope was taken: %+v", up)
	}
	if err != nil && (up != nil || !errors.Is(err, engine.ErrRefused)) {
		t.Fatalf("update %v, error %v", up, err)
	}
	if !maps.EqualFunc(before, to.mem.state, bytes.Equal) {
		t.Fatal("the store changed under a step")
	}
}

func TestContact_FC22_usedInviteLeavesNoKeys(t *testing.T) {
	w, d := people(t, "alice", "bob")
	alice, bob := d[0], d[1]
	inv := invite(t, alice, time.Hour)
	secret := []byte(inv.Link())
	holds := func() bool {
		for _, row := range alice.mem.state {
			if bytes.Contains(row, secret) {
				return true
			}
		}
		return false
	}
	if !holds() {
		t.Fatal("the search does not find an open invite")
	}
	add(t, bob, inv)
	w.Advance(time.Minute)
	if holds() {
		t.Error("a used invite is still in the store")
	}
	other := invite(t, alice, time.Hour)
	secret = []byte(other.Link())
	w.Advance(time.Hour + engine.InitialGrace + time.Minute)
	if _, err := alice.Do(engine.Tick{}); err != nil {
		t.Fatal(err)
	}
	if holds() {
		t.Error("an expired invite is still in the store")
	}
}

func TestContent_CO13_strangersAndReflectionsAreRefused(t *testing.T) {
	w, d := people(t, "alice", "bob", "carol")
	alice, bob, carol := d[0], d[1], d[2]
	add(t, bob, invite(t, alice, time.Hour))
	add(t, carol, invite(t, alice, time.Hour))
	w.Advance(time.Minute)
	w.Cut(alice, bob)
	if _, err := alice.Send(bob, "for bob"); err != nil {
		t.Fatal(err)
	}
	var m engine.Machine
	envelope := alice.mem.outbox[0].Body
	for name, in := range map[string]struct {
		to   *Device
		from *Device
	}{
		"reflected to its sender":         {alice, bob},
		"from a device that did not send": {bob, carol},
		"to somebody else":                {carol, alice},
		"from oneself":                    {alice, alice},
	} {
		up, err := m.Step(in.to.mem, in.to.now(), engine.Received{From: in.from.Self.Device.ID(), Envelope: envelope})
		if errors.Is(err, engine.ErrRefused) && up == nil {
			continue
		}
		// A contact hears that it does not open, and nothing else happens.
		if err != nil || up.Ack || len(up.Events)+len(up.State)+len(up.Seen)+len(up.Drop) != 0 || len(up.Outgoing) != 1 ||
			!up.Outgoing[0].Ephemeral || name == "from a device that did not send" || name == "from oneself" {
			t.Errorf("%s: %v, %v", name, up, err)
		}
	}
	// An acknowledgement counts only from whom it was sent to.
	if _, err := m.Step(alice.mem, alice.now(), engine.Acked{From: carol.Self.Device.ID(), ID: alice.mem.outbox[0].ID}); !errors.Is(err, engine.ErrRefused) {
		t.Errorf("a stranger's acknowledgement: %v", err)
	}
	w.Join(alice, bob)
	w.Advance(10 * time.Minute)
	check(t, alice, bob, 1, 0)
	// Opened once: the same envelope again is acknowledged and changes nothing.
	up, err := m.Step(bob.mem, bob.now(), engine.Received{From: alice.Self.Device.ID(), Envelope: envelope})
	if err != nil || !up.Ack || len(up.Events) != 0 || len(up.State) != 0 {
		t.Errorf("a repeated envelope: %+v, %v", up, err)
	}
}

// TestContact_FC21_restoredAccountIsMetAgain: an account comes back from its
// words on a new device, with an empty store, and an invite handed to it brings
// the contact and what was not delivered; a verified contact is not written to
// until somebody looked. An invite that claims to be of a contact's account is
// refused instead: nothing in it is signed.
func TestContact_FC21_restoredAccountIsMetAgain(t *testing.T) {
	w, d := people(t, "alice")
	alice, account := d[0], identity.NewAccount()
	bob := must(t)(w.AddDeviceOf(account, "bob", 0))
	add(t, bob, invite(t, alice, time.Hour))
	w.Advance(time.Minute)
	if _, err := alice.Do(engine.Verify{Account: bob.Self.Account, Mark: true}); err != nil {
		t.Fatal(err)
	}
	w.Cut(alice, bob) // for good: the device is lost
	if _, err := alice.Send(bob, "are you there?"); err != nil {
		t.Fatal(err)
	}
	again := must(t)(w.AddDeviceOf(account, "bob", 0))
	before := maps.Clone(alice.mem.state)
	_, err := alice.Do(engine.Add{Invite: invite(t, again, time.Hour)})
	wantCode(t, err, engine.Exists)
	if !maps.EqualFunc(before, alice.mem.state, bytes.Equal) {
		t.Fatal("an invite nobody proved changed a contact")
	}
	add(t, again, invite(t, alice, time.Hour))
	w.Advance(time.Minute)
	c := contact(t, alice, again)
	if c.State != chat.ContactEstablished || c.Device != again.Self.Device.ID() || c.Name != "bob" {
		t.Fatalf("%v on %v as %q", c.State, c.Device, c.Name)
	}
	if c.Verified {
		t.Errorf("still marked as verified")
	}
	_, err = alice.Send(again, "too early")
	wantCode(t, err, engine.NotNow)
	if n := len(texts(again, alice)); n != 0 {
		t.Errorf("%d messages went to a device nobody looked at", n)
	}
	if _, err := alice.Do(engine.Verify{Account: again.Self.Account, Mark: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Send(again, "welcome back"); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Send(alice, "good to be"); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Minute)
	if got := fmt.Sprint(texts(again, alice)); len(texts(again, alice)) != 3 {
		t.Errorf("the restored one sees %s", got)
	}
	for _, m := range alice.Timeline(again) {
		if m.State < chat.Delivered {
			t.Errorf("%q is %v", m.Text, m.State)
		}
	}
}
