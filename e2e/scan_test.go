package e2e

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"image"
	"image/color"
	"image/jpeg"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kith/identity"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/vault"
)

const secretWords = "harbour lantern thirty-one"

// needle is something that must not be found on a disk, and how it could look.
type needle struct {
	what  string
	forms [][]byte
}

// hidden makes a needle of bytes: as they are, and in the encodings that
// programs like to write.
func hidden(what string, secret []byte) needle {
	n := needle{what: what, forms: [][]byte{secret}}
	if len(secret) >= 16 {
		n.forms = append(n.forms, []byte(hex.EncodeToString(secret)), []byte(strings.ToUpper(hex.EncodeToString(secret))),
			[]byte(base64.StdEncoding.EncodeToString(secret)), []byte(base64.RawURLEncoding.EncodeToString(secret)))
	}
	return n
}

// spoken makes a needle of words: also as UTF-16, in capitals and in small
// letters, as a search index would keep them.
func spoken(what, text string) needle {
	n := needle{what: what}
	for _, s := range []string{text, strings.ToLower(text), strings.ToUpper(text)} {
		wide := make([]byte, 0, 2*len(s))
		for _, r := range s {
			wide = append(wide, byte(r), byte(r>>8))
		}
		n.forms = append(n.forms, []byte(s), wide)
	}
	return n
}

func (n needle) in(b []byte) bool {
	for _, f := range n.forms {
		if bytes.Contains(b, f) {
			return true
		}
	}
	return false
}

// files reads everything under a directory: names of files, links and all.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		all[path] = []byte(e.Name() + "\n")
		if e.Type().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all[path] = append(all[path], b...)
		}
		return nil
	}))
	return all
}

// TestScan_nothingInClearOnDisk looks for everything two people said, sent,
// were called and looked for, and for their keys, in every file of both homes.
func TestScan_nothingInClearOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob := newPerson(t, dir, "Alice"), newPerson(t, dir, "Bob")
	alice.name, bob.name = "Alexandrine Quillfeather", "Bartholomew Nightingale"
	var needles []needle
	for _, p := range []*person{alice, bob} {
		p.env = []string{"KITH_PASSPHRASE=" + secretWords}
		var made struct {
			Account string
			Phrase  []string
		}
		p.json(&made, "init", "--name", p.name)
		p.up()
		needles = append(needles, secretsOf(t, p.name, made.Account, made.Phrase)...)
	}
	needles = append(needles, spoken("the passphrase", secretWords))

	var invite struct{ Link string }
	alice.json(&invite, "invite")
	needles = append(needles, inviteNeedles(t, invite.Link)...)
	bob.ok("add", invite.Link, "--name", "Alex from the lighthouse")
	bob.await("Alice", established("Alex from the lighthouse"))
	alice.await("Bob", established(bob.name))
	needles = append(needles, spoken("a nickname", "Alex from the lighthouse"))

	talk := []string{"Meet me where the walnut tree was.", "Bring the vermilion umbrella instead."}
	alice.ok("send", bob.name, talk[0], "--wait", "delivered")
	bob.ok("send", "Alex from the lighthouse", talk[1], "--wait", "delivered")
	for _, s := range append(talk, "vermilion", "umbrella", "walnut") {
		needles = append(needles, spoken("what was said", s))
	}
	photo, text := filepath.Join(t.TempDir(), "confidential-holiday.jpg"), filepath.Join(t.TempDir(), "ledger-of-debts.txt")
	writePhoto(t, photo)
	line := "Nobody may ever read this sentence of the ledger.\n"
	must(t, os.WriteFile(text, []byte(strings.Repeat(line, 40000)), 0o600))
	alice.sendFile(bob.name, photo)
	id := alice.sendFile(bob.name, text)
	bob.awaitFile("ledger-of-debts.txt")
	bob.awaitFile("confidential-holiday.jpg")
	if out := bob.ok("search", "vermilion"); !strings.Contains(out, "umbrella") {
		t.Errorf("search: %s", out)
	}
	bob.ok("log", "Alex from the lighthouse", "--read")
	saved := filepath.Join(t.TempDir(), "saved.txt")
	bob.ok("save", id, saved)
	photoBytes, err := os.ReadFile(photo)
	must(t, err)
	middle := photoBytes[len(photoBytes)/2:][:32]
	needles = append(needles, spoken("a file's name", "confidential-holiday"), spoken("a file's name", "ledger-of-debts"),
		spoken("a file's text", strings.TrimSpace(line)), needle{"a picture", [][]byte{middle}},
		needle{"a database in clear", [][]byte{[]byte("SQLite format 3"), []byte("CREATE TABLE")}})

	seen := map[string]map[string][]byte{"while running": files(t, dir)}
	alice.kill()
	seen["after kill -9"] = files(t, dir)
	if len(seen["after kill -9"][filepath.Join(alice.home, "kith.db-wal")]) < 4096 {
		t.Error("there is no write-ahead log to look into")
	}
	alice.up()
	alice.down()
	bob.down()
	seen["after down"] = files(t, dir)
	report := func(needles []needle) {
		for when, all := range seen {
			if len(all) < 8 {
				t.Errorf("%s: hardly a file", when)
			}
			for _, f := range look(all, needles) {
				t.Errorf("%s: found %s", when, f)
			}
		}
	}
	report(needles)
	var keys []needle
	for _, p := range []*person{alice, bob} {
		keys = append(keys, keysOf(t, p.home)...)
	}
	report(keys)
	needles = append(needles, keys...)

	// The control: all of it is found where it is in clear.
	clear := t.TempDir()
	for i, n := range needles {
		for j, f := range n.forms {
			name := filepath.Join(clear, strings.Repeat("x", 1+i%5)+string(rune('a'+j)))
			must(t, os.WriteFile(name, append(bytes.Repeat([]byte{0xee}, 4000+i), f...), 0o600))
			if found := look(files(t, clear), []needle{n}); len(found) == 0 {
				t.Errorf("the control does not find %s in form %d", n.what, j)
			}
			must(t, os.Remove(name))
		}
	}
	t.Logf("%d things looked for", len(needles))
}

// look returns what was found and where.
func look(all map[string][]byte, needles []needle) []string {
	var found []string
	for path, b := range all {
		for _, n := range needles {
			if n.in(b) {
				found = append(found, n.what+" in "+filepath.Base(path))
			}
		}
	}
	return found
}

// secretsOf are somebody's names, words and keys.
func secretsOf(t *testing.T, name, account string, phrase []string) []needle {
	t.Helper()
	a, err := identity.AccountFromPhrase(strings.Join(phrase, " "))
	must(t, err)
	id := a.ID()
	return []needle{
		spoken("a name", name), spoken("the recovery phrase", strings.Join(phrase, " ")),
		spoken("part of the recovery phrase", strings.Join(phrase[:3], " ")),
		spoken("the account", account), hidden("the account's key", id[:]),
		hidden("the account's seed", seedOf(t, a)),
	}
}

// seedOf finds the seed among the bytes that the account is stored as.
func seedOf(t *testing.T, a *identity.Account) []byte {
	t.Helper()
	stored, err := identity.Secrets{Account: a, Device: identity.NewDevice()}.AppendBinary(nil)
	must(t, err)
	id := a.ID()
	for i := 0; i+ed25519.SeedSize <= len(stored); i++ {
		seed := stored[i:][:ed25519.SeedSize]
		if bytes.Equal(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey), id[:]) {
			return seed
		}
	}
	t.Fatal("the seed is not where it was thought to be")
	return nil
}

// keysOf opens a copy of a home and takes its keys out.
func keysOf(t *testing.T, home string) []needle {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(copied, os.DirFS(home)))
	master, err := vault.Open(copied, func() ([]byte, error) { return []byte(secretWords), nil })
	must(t, err)
	db, err := store.Open(copied, master)
	must(t, err)
	defer db.Close()
	needles := []needle{hidden("the master key", master[:])}
	for _, label := range []string{"kith v1 store pages", "kith v1 store rows"} {
		key, err := hkdf.Key(sha256.New, master[:], nil, label, 32)
		must(t, err)
		needles = append(needles, hidden(label, key))
	}
	must(t, db.View(func(tx *store.Tx) error {
		self, err := engine.LoadSelf(tx)
		if err != nil {
			return err
		}
		needles = append(needles, hidden("the device's key", self.Device.SigningPrivate().Seed()))
		keys, err := tx.StateKeys("")
		for _, k := range keys {
			value, err := tx.State(k)
			if err != nil {
				return err
			}
			if len(value) >= 64 { // what sessions, invites and prekeys are stored as
				needles = append(needles, needle{"state " + strings.Split(string(k), "/")[0], [][]byte{value[len(value)/2:][:32]}})
			}
		}
		return err
	}))
	return needles
}

func inviteNeedles(t *testing.T, link string) []needle {
	t.Helper()
	v, err := identity.ParseInvite(link)
	must(t, err)
	id, seal, psk := v.ID(), v.SealKey(), v.PSK()
	return []needle{spoken("the invite", link[5:]), hidden("the invite's key", seal[:]), hidden("the invite's shared secret", psk[:]),
		hidden("the invite's id", id[:]), hidden("the bundle's hash", v.Bundle[:]), hidden("the device", v.Device[:]),
		spoken("an address", "127.0.0.1")}
}

func writePhoto(t *testing.T, path string) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 300, 200))
	for y := range 200 {
		for x := range 300 {
			img.SetRGBA(x, y, color.RGBA{uint8(x * y), uint8(x * 3), uint8(y * 7), 255})
		}
	}
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	must(t, jpeg.Encode(f, img, &jpeg.Options{Quality: 95}))
}
