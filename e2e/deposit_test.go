package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
)

// leftWithRelays waits until nothing is on its way to relays any more.
func (p *person) leftWithRelays() {
	p.t.Helper()
	until(p.t, func() bool { return p.status().GetLeaving() == 0 })
}

// TestDeposit_DP06_fileForSomebodyAway: a picture and a file of several chunks come
// from relays when both ends are never up together; both sides end with nothing to do.
func TestDeposit_DP06_fileForSomebodyAway(t *testing.T) {
	t.Parallel()
	alice, bob, relays := withRelays(t, 3)
	dir := t.TempDir()
	small, large := filepath.Join(dir, "small.bin"), filepath.Join(dir, "large.bin")
	smallSum, largeSum := randomFile(t, small, 30_000), randomFile(t, large, 5<<20)
	bob.down()
	id := alice.sendFile("Bob", small, "--file", large, "--wait", "boxed", "--timeout", "60s")
	alice.leftWithRelays()
	alice.down()
	before := relaysBlobs(t, relays)
	if before < 2*5<<20 {
		t.Errorf("relays hold %d bytes of files", before)
	}
	bob.up()
	bob.awaitFile("small.bin")
	bob.awaitFile("large.bin")
	bob.savedFrom(id, map[string]string{"small.bin": smallSum, "large.bin": largeSum})
	// It says so, and Alice ends the deposit of what Bob has.
	bob.leftWithRelays()
	alice.up()
	alice.awaitState(id, "delivered")
	until(t, func() bool { return bob.status().GetQueued() == 0 && alice.status().GetQueued() == 0 })
}

// TestDeposit_DP07_senderKilledInMidUpload: the sender is killed while a file goes up
// and a relay is lost for good; the file is there in the end, once and whole.
func TestDeposit_DP07_senderKilledInMidUpload(t *testing.T) {
	t.Parallel()
	alice, bob, relays := withRelays(t, 4)
	path := filepath.Join(t.TempDir(), "large.bin")
	sum := randomFile(t, path, 12<<20)
	bob.down()
	id := alice.sendFile("Bob", path, "--wait", "boxed", "--timeout", "60s")
	random := dice(t)
	for i := range 3 {
		time.Sleep(time.Duration(20+random.IntN(200)) * time.Millisecond) // any moment will do
		alice.kill()
		if i == 2 {
			// Some parts have one copy left, or go elsewhere. Alice does not know yet: what
			// she hears of relays from now on she hears of those that are left.
			relays[random.IntN(len(relays))].kill()
		}
		alice.up()
	}
	alice.leftWithRelays()
	alice.down()
	bob.up()
	bob.awaitFile("large.bin")
	bob.saved(id, sum)
}

func relaysBlobs(t *testing.T, relays []*relayProcess) (n int64) {
	t.Helper()
	for _, r := range relays {
		err := filepath.Walk(r.home, func(_ string, info os.FileInfo, err error) error {
			if err == nil && !info.IsDir() {
				n += info.Size()
			}
			return nil
		})
		must(t, err)
	}
	return n
}

// savedFrom saves all files of a message and compares them with what was sent.
func (p *person) savedFrom(id string, sums map[string]string) {
	p.t.Helper()
	r, err := p.Message(p.t.Context(), connect.NewRequest(&apiv1.MessageRequest{Id: id}))
	must(p.t, err)
	if len(r.Msg.GetMessage().GetMedia()) != len(sums) {
		p.t.Errorf("%d files", len(r.Msg.GetMessage().GetMedia()))
	}
	for _, m := range r.Msg.GetMessage().GetMedia() {
		if m.GetSha256() != sums[m.GetName()] || m.GetState() != "stored" {
			p.t.Errorf("%s is %s, %s", m.GetName(), m.GetState(), m.GetSha256())
		}
	}
	dir := p.t.TempDir()
	p.ok("save", id, dir)
	for name, sum := range sums {
		if got := sumOf(p.t, filepath.Join(dir, name)); got != sum {
			p.t.Errorf("%s is another file than was sent", name)
		}
	}
}

func sumOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
