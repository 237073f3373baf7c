package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// damaged is a conversation of which copies are damaged.
type damaged struct {
	t     *testing.T
	home  string // Bob's, as kill -9 left it
	texts []string
	id    string // of a message with a file
	sum   string
	n     int
}

// newDamaged makes it, once for the tests of this file.
func newDamaged(t *testing.T) *damaged {
	t.Helper()
	dir := t.TempDir()
	alice, bob := pair(t, dir)
	d := &damaged{t: t, home: bob.home}
	file := filepath.Join(dir, "file.bin")
	d.sum = randomFile(t, file, 3<<20)
	for i := range 40 {
		text := fmt.Sprintf("text number %d %s", i, strings.Repeat("and some more ", i*i/4))
		if i%10 == 5 {
			text += strings.Repeat("long words ", 5000) // most of it on pages of its own
		}
		must(t, func() error { _, err := alice.say("Bob", text); return err }())
		if i == 20 {
			bob.down() // what was there before is in the database, the rest in the log
			bob.up()
		}
		d.texts = append(d.texts, text)
	}
	d.id = alice.sendFile("Bob", file, "--wait", "delivered")
	bob.awaitFile("file.bin")
	bob.kill()
	must(t, os.Remove(filepath.Join(bob.home, "kith.sock")))
	alice.kill()
	return d
}

// copy makes somebody with a copy of the home.
func (d *damaged) copy(t *testing.T) *person {
	t.Helper()
	d.n++
	p := newPerson(t, t.TempDir(), "Bob")
	p.home = fmt.Sprintf("%s-%d", p.home, d.n)
	must(t, os.CopyFS(p.home, os.DirFS(d.home)))
	must(t, os.Chmod(filepath.Join(p.home, "master.key"), 0o600))
	return p
}

// change rewrites one file of a home.
func (p *person) change(name string, how func([]byte) []byte) {
	p.t.Helper()
	path := filepath.Join(p.home, name)
	b, err := os.ReadFile(path)
	must(p.t, err)
	must(p.t, os.WriteFile(path, how(b), 0o600))
}

// opens starts a node on a damaged home: it works, or says in a line why not.
// What it shows is what was said.
func (d *damaged) opens(p *person, how string) bool {
	t := p.t
	t.Helper()
	if !p.start() {
		<-p.done
		said, code := p.errors.String(), p.node.ProcessState.ExitCode()
		outcome{code: code, stderr: said}.check(t)
		if code != 1 || !strings.HasPrefix(said, "kith: ") {
			t.Errorf("%s: exit code %d\n%s", how, code, said)
		}
		p.forget()
		return false
	}
	for _, args := range [][]string{{"status"}, {"contacts"}, {"log", "Alice"}, {"search", "more"}, {"verify", "Alice"},
		{"send", "Alice", "to be seen whether it can"}, {"save", d.id, filepath.Join(t.TempDir(), "out")}} {
		p.run(args...) // checks the form of what it says
	}
	if r, err := p.log("Alice"); err == nil {
		for _, m := range r {
			if text := m.GetText(); text != "" && !strings.HasPrefix(text, "to be seen") && !slices.Contains(d.texts, text) {
				t.Errorf("%s: shows %q, which nobody said", how, text[:min(len(text), 60)])
			}
		}
	}
	select {
	case <-p.done:
		p.forget()
	default:
		p.kill()
	}
	return true
}

// TestDamage_databaseAndLog flips bits and overwrites blocks.
func TestDamage_databaseAndLog(t *testing.T) {
	t.Parallel()
	random := dice(t)
	d := newDamaged(t)
	opened := map[string]int{}
	for i := range *damages {
		p := d.copy(t)
		name := []string{"kith.db", "kith.db-wal"}[i%2]
		var how string
		p.change(name, func(b []byte) []byte {
			at := random.IntN(len(b))
			switch how = "a bit"; i / 2 % 3 {
			case 0:
				b[at] ^= 1 << random.IntN(8)
			case 1:
				how = "a block"
				clear(b[at/512*512 : min(len(b), at/512*512+512)])
			case 2:
				how = "the tail"
				b = b[:at]
			}
			how = fmt.Sprintf("%s of %s at %d of %d", how, name, at, len(b))
			return b
		})
		if d.opens(p, how) {
			opened[name]++
		}
	}
	t.Logf("%d damages; opened all the same: %v", *damages, opened)
}

// TestDamage_wholeFiles replaces or removes files of a home.
func TestDamage_wholeFiles(t *testing.T) {
	t.Parallel()
	d := newDamaged(t)
	other := newPerson(t, t.TempDir(), "Carol")
	other.init()
	const keyFile, database = "the key file is damaged", "the database is damaged or belongs to another key"
	for _, c := range []struct {
		how  string
		do   func(*person)
		code int
		says string
	}{
		{"an empty database", func(p *person) { p.change("kith.db", func([]byte) []byte { return nil }); p.remove("kith.db-wal") }, 1, database},
		{"half a database", func(p *person) {
			p.change("kith.db", func(b []byte) []byte { return b[:len(b)/2/4096*4096] })
			p.remove("kith.db-wal")
		}, 1, database},
		{"the first page only", func(p *person) {
			p.change("kith.db", func(b []byte) []byte { return b[:4096] })
			p.remove("kith.db-wal")
		}, 1, database},
		{"a database of text", func(p *person) {
			p.change("kith.db", func([]byte) []byte { return []byte(strings.Repeat("hello ", 9999)) })
			p.remove("kith.db-wal")
		}, 1, database},
		{"somebody else's database", func(p *person) { p.take(other, "kith.db"); p.remove("kith.db-wal") }, 1, database},
		{"somebody else's key", func(p *person) { p.take(other, "key.json"); p.take(other, "master.key") }, 1, database},
		{"a database in clear", func(p *person) {
			p.change("kith.db", func([]byte) []byte { return []byte("SQLite format 3\x00" + strings.Repeat("\x00", 8176)) })
		}, 1, database},
		{"no database", func(p *person) { p.remove("kith.db"); p.remove("kith.db-wal") }, 3, "there is no account in"},
		{"an empty key file", func(p *person) { p.change("key.json", func([]byte) []byte { return nil }) }, 1, keyFile},
		{"half a key file", func(p *person) { p.change("key.json", func(b []byte) []byte { return b[:len(b)/2] }) }, 1, keyFile},
		{"a key file with more", func(p *person) { p.change("key.json", func(b []byte) []byte { return append(b, '\n') }) }, 1, keyFile},
		{"a large key file", func(p *person) {
			p.change("key.json", func(b []byte) []byte { return append(b, make([]byte, 1<<22)...) })
		}, 1, keyFile},
		{"another sealed key", func(p *person) { p.change("key.json", swapHex) }, 6, "key.json was changed"},
		{"somebody else's key.json", func(p *person) { p.take(other, "key.json") }, 6, "key.json was changed"},
		{"no key file", func(p *person) { p.remove("key.json") }, 1, "key.json is missing"},
		{"no master key", func(p *person) { p.remove("master.key") }, 1, "master.key is missing"},
		{"a short master key", func(p *person) { p.change("master.key", func(b []byte) []byte { return b[1:] }) }, 1, keyFile},
		{"a directory as key", func(p *person) { p.remove("master.key"); must(t, os.Mkdir(filepath.Join(p.home, "master.key"), 0o700)) }, 1, keyFile},
		{"a directory as database", func(p *person) { p.remove("kith.db"); must(t, os.Mkdir(filepath.Join(p.home, "kith.db"), 0o700)) }, 1, ""},
	} {
		p := d.copy(t)
		c.do(p)
		o := p.run("up", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0")
		if o.code != c.code || !strings.Contains(o.stderr, c.says) || o.stdout != "" {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", c.how, o.code, c.code, c.says, o.stderr)
		}
	}
}

// swapHex changes the last hexadecimal digit of a key file.
func swapHex(b []byte) []byte {
	i := strings.LastIndexAny(string(b), "0123456789abcdef")
	if b[i]++; b[i] > '8' {
		b[i] = '0'
	}
	return b
}

func (p *person) remove(name string) { must(p.t, os.Remove(filepath.Join(p.home, name))) }

// take copies a file of somebody else's home.
func (p *person) take(other *person, name string) {
	b, err := os.ReadFile(filepath.Join(other.home, name))
	must(p.t, err)
	must(p.t, os.WriteFile(filepath.Join(p.home, name), b, 0o600))
}

// TestDamage_blobs damages and removes the files that attachments are kept in.
func TestDamage_blobs(t *testing.T) {
	t.Parallel()
	d := newDamaged(t)
	out := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		how string
		do  func(blob, tree string)
		ok  bool
	}{
		{"nothing", func(string, string) {}, true},
		{"a bit of the first chunk", func(blob, _ string) { flip(t, blob, 100) }, false},
		{"a bit of the last chunk", func(blob, _ string) { flip(t, blob, -100) }, false},
		{"half a blob", func(blob, _ string) { must(t, os.Truncate(blob, 1<<20+77)) }, false},
		{"an empty blob", func(blob, _ string) { must(t, os.Truncate(blob, 0)) }, false},
		{"no blob", func(blob, _ string) { must(t, os.Remove(blob)) }, false},
		{"no blob and no tree", func(blob, tree string) { must(t, os.Remove(blob)); must(t, os.Remove(tree)) }, false},
		{"a directory as blob", func(blob, _ string) { must(t, os.Remove(blob)); must(t, os.Mkdir(blob, 0o700)) }, false},
		{"a tree of zeros", func(_, tree string) { must(t, os.WriteFile(tree, make([]byte, 5000), 0o600)) }, true},
	} {
		p := d.copy(t)
		blobs, err := filepath.Glob(filepath.Join(p.home, "blobs", "*.blob"))
		if err != nil || len(blobs) != 1 {
			t.Fatalf("blobs: %v %v", blobs, err)
		}
		c.do(blobs[0], strings.TrimSuffix(blobs[0], ".blob")+".tree")
		p.up()
		o := p.run("save", d.id, out)
		_, err = os.Stat(out)
		if (o.code == 0) != c.ok || (err == nil) != c.ok {
			t.Errorf("%s: exit code %d, file: %v", c.how, o.code, err)
		}
		if !c.ok && (o.code != 1 && o.code != 5 || !strings.Contains(o.stderr, "damaged") || !strings.Contains(o.stderr, "file.bin")) {
			t.Errorf("%s: exit code %d\n%s", c.how, o.code, o.stderr)
		}
		p.ok("status")
		p.ok("send", "Alice", "it goes on")
		p.down()
		os.Remove(out)
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), ".kith-save*")); len(left) > 0 {
			t.Errorf("%s: %v stays", c.how, left)
		}
	}
}

// flip changes one bit, counted from the end when at is negative.
func flip(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 4
	must(t, os.WriteFile(path, b, 0o600))
}
