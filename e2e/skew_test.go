package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apiv1 "kith/api/v1"
)

const year = 365 * 24 * time.Hour

// skewedKith builds kith with a clock that BED_CLOCK_SKEW moves, or skips the
// test.
func skewedKith(t *testing.T) string {
	t.Helper()
	if !*skew {
		t.Skip("skipped: turning a clock takes minutes of building: -skew does it")
	}
	script, err := filepath.Abs(filepath.Join(*bed, "clock", "build-skewed.sh"))
	must(t, err)
	program := filepath.Join(t.TempDir(), "kith-skewed")
	build := exec.Command("bash", script, "kith/cmd/kith", program)
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("skipped: a program with a turned clock cannot be built here: %v\n%s", err, out)
	}
	return program
}

func (p *person) turn(by time.Duration) { p.env = []string{"BED_CLOCK_SKEW=" + by.String()} }

// TestSkew_aYearOff turns the clock of either side by a year in either
// direction: over TCP and over QUIC contacts are made, both talk, a file
// arrives, and all goes on after a restart.
func TestSkew_aYearOff(t *testing.T) {
	t.Parallel()
	program := skewedKith(t)
	for _, transport := range []string{"tcp", "quic"} {
		for _, c := range []struct {
			name       string
			alice, bob time.Duration
		}{
			{"inviter ahead", year, 0}, {"inviter behind", -year, 0}, {"guest ahead", 0, year}, {"guest behind", 0, -year},
			{"two years apart", year, -year},
		} {
			t.Run(fmt.Sprintf("%s, %s", transport, c.name), func(t *testing.T) {
				t.Parallel()
				skewed(t, program, transport, c.alice, c.bob)
			})
		}
	}
}

func skewed(t *testing.T, program, transport string, aliceBy, bobBy time.Duration) {
	dir := t.TempDir()
	alice, bob := newPerson(t, dir, "Alice"), newPerson(t, dir, "Bob")
	both := []*person{alice, bob}
	alice.turn(aliceBy)
	bob.turn(bobBy)
	for _, p := range both {
		p.binary = program
		if transport == "quic" {
			p.listen = []string{fmt.Sprintf("/ip4/127.0.0.1/udp/%d/quic-v1", freePort(t))}
		}
		p.init()
		p.up()
	}
	var invite struct{ Link, Expires string }
	alice.json(&invite, "invite")
	expires, err := time.Parse(time.RFC3339, invite.Expires)
	must(t, err)
	if off := time.Until(expires) - aliceBy; off < 6*24*time.Hour || off > 8*24*time.Hour {
		t.Fatalf("the clock was not turned: %v", off)
	}
	if bobBy > aliceBy {
		// By Bob's clock the invite ran out long ago; nothing can tell which
		// clock is right, so it is refused, and it says why.
		bob.refused(5, "this invite has expired", "add", invite.Link)
		bob.refused(5, "clock", "add", invite.Link)
		// Once somebody set the clock, they become contacts, and it goes wrong again.
		bob.down()
		bob.turn(aliceBy)
		bob.up()
		bob.ok("add", invite.Link)
		bob.await("Alice", established("Alice"))
		bob.down()
		bob.turn(bobBy)
		bob.up()
	} else {
		bob.ok("add", invite.Link)
	}
	bob.await("Alice", established("Alice"))
	alice.await("Bob", established("Bob"))
	converse(t, alice, bob, dir, 1)
	for _, p := range both {
		p.down()
		p.up()
		converse(t, alice, bob, dir, 2)
	}
	// A clock that is set while a conversation goes on.
	alice.kill()
	alice.turn(-aliceBy - bobBy)
	alice.up()
	converse(t, alice, bob, dir, 3)
	a, b := alice.all("Bob"), bob.all("Alice")
	if x, y := order(a, b), order(b, a); len(a) != len(b) || strings.Join(x, "\n") != strings.Join(y, "\n") {
		t.Errorf("the two logs differ:\n%v\n%v", x, y)
	}
}

// converse lets both speak in turn and one send a file.
func converse(t *testing.T, alice, bob *person, dir string, round int) {
	t.Helper()
	alice.ok("send", "Bob", fmt.Sprintf("%d: do you hear me", round), "--wait", "delivered", "--timeout", "50s")
	bob.ok("send", "Alice", fmt.Sprintf("%d: I do", round), "--wait", "delivered", "--timeout", "50s")
	file := filepath.Join(dir, "file.bin")
	sum := randomFile(t, file, int64(round)<<20)
	id := bob.sendFile("Alice", file, "--wait", "delivered", "--timeout", "50s")
	alice.await("the file", func(w *apiv1.WatchResponse) bool {
		return message(w).GetId() == id && complete("file.bin")(w)
	})
	alice.saved(id, sum)
	alice.ok("log", "Bob", "--read")
	bob.awaitState(id, "read")
}
