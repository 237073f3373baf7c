package kith_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The laws of the layout as tests. All read the source with go/parser, files
// for every system included, so what is forbidden here is forbidden everywhere.

// importLaw says who may import whom: "a < b" means that b may import a.
// Whatever is not written is forbidden, but for the standard library. Packages
// of this module are named exactly, but e2e stands for every room below it, as
// an outside path does. A star is everything.
const importLaw = `
	golang.org/x/crypto/cryptobyte          < identity, pqxdh, media
	                                        < ratchet/internal/kdf, ratchet/internal/mlkem768
	                                        < ratchet/internal/erasure
	ratchet/internal/kdf                    < ratchet/internal/skipped, ratchet/internal/braid
	ratchet/internal/kdf                    < ratchet/internal/spqr, ratchet/internal/triple, ratchet
	ratchet/internal/mlkem768               < ratchet/internal/braid
	ratchet/internal/erasure                < ratchet/internal/braid
	ratchet/internal/braid                  < ratchet/internal/spqr, ratchet
	ratchet/internal/skipped                < ratchet/internal/spqr, ratchet/internal/triple, ratchet
	ratchet/internal/spqr                   < ratchet/internal/triple, ratchet
	ratchet/internal/triple                 < ratchet
	golang.org/x/crypto/cryptobyte          < ratchet/internal/skipped, ratchet/internal/braid
	golang.org/x/crypto/cryptobyte          < ratchet/internal/spqr, ratchet/internal/triple

	                                        < mls/internal/rule
	mls/internal/rule                       < mls/internal/wire, mls/internal/tree, mls/internal/schedule
	mls/internal/rule                       < mls/internal/framing, mls
	mls/internal/wire                       < mls/internal/suite, mls/internal/tree, mls/internal/schedule
	mls/internal/wire                       < mls/internal/framing, mls, mls/mlsvectors
	mls/internal/suite                      < mls/internal/tree, mls/internal/schedule, mls/internal/framing
	mls/internal/suite                      < mls, mls/mlsvectors
	mls/internal/tree                       < mls/internal/schedule, mls, mls/mlsvectors
	mls/internal/schedule                   < mls/internal/framing, mls, mls/mlsvectors
	mls/internal/framing                    < mls, mls/mlsvectors
	mls                                     < mls/mlsvectors
	golang.org/x/crypto/chacha20poly1305    < mls/internal/suite
	golang.org/x/crypto/cryptobyte          < mls
	github.com/cloudflare/circl             < mls/internal/suite

	golang.org/x/crypto/cryptobyte          < box
	golang.org/x/crypto/chacha20poly1305    < box
	box                                     < internal/engine, internal/placement, internal/relay
	box                                     < internal/node, internal/api
	internal/placement                      < internal/node
	media, golang.org/x/crypto/cryptobyte   < internal/deposit
	internal/deposit                        < internal/engine, internal/node

	golang.org/x/crypto/argon2              < internal/vault
	github.com/zalando/go-keyring           < internal/vault
	github.com/makiuchi-d/gozxing           < internal/qr
	rsc.io/qr                               < internal/qr

	identity, media                         < internal/wire
	internal/wire/contentpb                 < internal/wire
	identity, media, internal/wire          < internal/chat
	internal/chat/eventpb                   < internal/chat

	identity, pqxdh, ratchet, media         < internal/engine
	internal/wire, internal/chat            < internal/engine
	internal/engine/statepb                 < internal/engine
	golang.org/x/crypto/cryptobyte          < internal/engine
	identity, internal/wire                 < internal/delivery
	media, internal/wire                    < internal/transfer

	google.golang.org/protobuf              < internal/wire, internal/wire/contentpb
	google.golang.org/protobuf              < internal/chat, internal/chat/eventpb
	google.golang.org/protobuf              < internal/engine, internal/engine/statepb
	google.golang.org/protobuf              < api/v1

	identity, media, internal/wire          < internal/store
	internal/chat, internal/engine          < internal/store
	github.com/ncruces/go-sqlite3           < internal/store
	box, internal/relay                     < internal/boxstore
	go.etcd.io/bbolt                        < internal/boxstore
	box, internal/relay, internal/boxstore  < internal/relaynet
	golang.org/x/crypto/cryptobyte          < internal/rendezvous
	internal/rendezvous                     < internal/p2p, internal/engine, internal/node
	identity, internal/wire                 < internal/p2p
	github.com/libp2p/go-libp2p             < internal/p2p
	github.com/libp2p/go-libp2p-kad-dht     < internal/p2p
	github.com/ipfs/go-datastore            < internal/p2p
	github.com/ipfs/go-log/v2               < internal/p2p
	github.com/multiformats/go-multiaddr    < internal/p2p
	github.com/quic-go/quic-go              < internal/p2p

	identity, media, internal/wire          < internal/node
	internal/chat, internal/store           < internal/node
	internal/engine, internal/delivery      < internal/node
	internal/transfer, internal/preview     < internal/node
	media, golang.org/x/image               < internal/preview

	api/v1, connectrpc.com/connect          < api/v1/apiv1connect
	api/v1, api/v1/apiv1connect             < internal/api, internal/client
	connectrpc.com/connect                  < internal/api, internal/client, internal/cli
	api/v1, internal/client                 < internal/cli, internal/tui
	connectrpc.com/connect                  < internal/tui
	charm.land/bubbletea/v2                 < internal/tui
	github.com/charmbracelet/ultraviolet    < internal/tui
	github.com/charmbracelet/x/ansi         < internal/tui
	github.com/charmbracelet/colorprofile   < internal/tui
	internal/tui                            < internal/cli
	identity, media, internal/wire          < internal/api
	internal/chat, internal/engine          < internal/api
	internal/node, internal/preview         < internal/api
	internal/qr                             < internal/cli, internal/api
	                                        < internal/door, internal/webui
	github.com/alecthomas/kong              < internal/cli
	golang.org/x/term                       < internal/cli, internal/tui

	*                                       < cmd/kith, internal/sim, internal/vectors, e2e
	*                                       < ratchet/internal/signalv4, ratchet/oracle, ratchet/mutants
	*                                       < mls/tsmls
`

// alone are rooms nobody but tests may import, with what lies below them.
var alone = []string{"cmd/kith", "internal/sim", "internal/vectors", "e2e",
	"ratchet/internal/signalv4", "ratchet/oracle", "ratchet/mutants", "mls/mlsvectors", "mls/tsmls"}

// pure are the packages that decide and do nothing else.
var pure = []string{"identity", "pqxdh", "ratchet", "media", "mls", "sphinx", "box",
	"ratchet/internal/kdf", "ratchet/internal/mlkem768", "ratchet/internal/erasure", "ratchet/internal/skipped",
	"ratchet/internal/braid", "ratchet/internal/spqr", "ratchet/internal/triple",
	"mls/internal/rule", "mls/internal/wire", "mls/internal/suite", "mls/internal/tree", "mls/internal/schedule",
	"mls/internal/framing",
	"internal/wire", "internal/chat", "internal/engine", "internal/delivery", "internal/placement", "internal/transfer",
	"internal/relay", "internal/deposit", "internal/rendezvous"}

// impure is what they may not import, with what lies below it.
var impure = []string{"context", "log", "net", "os", "runtime", "sync", "syscall", "plugin", "unsafe"}

// impureAllowed are the exceptions: package wire names context in the type of
// a function that the network calls, and calls nothing of it; package box reads
// IP addresses in links.
var impureAllowed = map[string][]string{"internal/wire": {"context"}, "box": {"net/netip"}}

// clocks are the functions of package time that read or wait for a clock.
var clocks = []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}

const module = "kith"

// source is one Go file that is no test.
type source struct {
	path, room string // slash-separated, from the root
	file       *ast.File
	fset       *token.FileSet
}

func (s *source) imports() []string {
	var paths []string
	for _, i := range s.file.Imports {
		p, _ := strconv.Unquote(i.Path.Value) // the parser has checked it
		paths = append(paths, p)
	}
	return paths
}

// walkFiles calls visit for every file of the module with this suffix.
func walkFiles(t *testing.T, suffix string, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name == "." {
				return nil
			}
			_, other := os.Stat(filepath.Join(name, "go.mod"))
			if strings.ContainsAny(d.Name()[:1], "._") || d.Name() == "testdata" || d.Name() == "node_modules" || other == nil {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, suffix) {
			visit(filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources parses the module.
func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	walkFiles(t, ".go", func(name string) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &source{path: name, room: path.Dir(name), file: f, fset: fset})
	})
	return all
}

// allowed reads the table: for each room what it may import.
func allowed(t *testing.T) map[string][]string {
	t.Helper()
	law := map[string][]string{}
	for line := range strings.Lines(importLaw) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		may, rooms, ok := strings.Cut(line, "<")
		if !ok {
			t.Fatalf("the law has a line without <: %q", line)
		}
		for room := range strings.SplitSeq(rooms, ",") {
			for p := range strings.SplitSeq(may, ",") {
				law[strings.TrimSpace(room)] = append(law[strings.TrimSpace(room)], strings.TrimSpace(p))
			}
		}
	}
	return law
}

// permits reports whether a room's list has this import.
func permits(may []string, imported string) bool {
	own, inside := strings.CutPrefix(imported, module+"/")
	for _, m := range may {
		switch {
		case m == "*":
			return true
		case inside && m == own:
			return true
		case !inside && below(imported, m):
			return true
		}
	}
	return false
}

// below reports whether a path is root or lies under it.
func below(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && first != module
}

func TestLayout_importLaw(t *testing.T) {
	law := allowed(t)
	for _, s := range sources(t) {
		room := s.room
		if below(room, "e2e") {
			room = "e2e"
		}
		may, known := law[room]
		if !known && room != "." {
			t.Errorf("%s: package %s is not in the law: add a line that says what it may import", s.path, s.room)
			continue
		}
		for _, p := range s.imports() {
			if own, inside := strings.CutPrefix(p, module+"/"); inside && slices.ContainsFunc(alone, func(a string) bool { return below(own, a) }) {
				t.Errorf("%s imports %s, which only tests may import", s.path, p)
			} else if !standard(p) && !permits(may, p) {
				t.Errorf("%s imports %s: package %s may import %s", s.path, p, s.room, strings.Join(may, ", "))
			}
		}
	}
}

// TestLayout_lawForbids makes sure that the test above can fail.
func TestLayout_lawForbids(t *testing.T) {
	law := allowed(t)
	for room, imported := range map[string]string{
		"internal/node":     "kith/internal/p2p",
		"internal/engine":   "kith/internal/store",
		"internal/delivery": "kith/internal/engine",
		"internal/cli":      "kith/internal/node",
		"internal/chat":     "kith/internal/wire/contentpb",
		"identity":          "kith/media",
		"ratchet":           "golang.org/x/crypto/argon2",
		"internal/api":      "github.com/libp2p/go-libp2p/core/peer",
		"internal/store":    "go.etcd.io/bbolt",
		"internal/relaynet": "kith/internal/p2p",
	} {
		if permits(law[room], imported) {
			t.Errorf("the law lets %s import %s", room, imported)
		}
	}
	if !permits(law["internal/p2p"], "github.com/libp2p/go-libp2p/core/peer") || permits(law["internal/p2p"], "github.com/libp2p/go-libp2p-pubsub") {
		t.Error("an outside path stands for all below it and for nothing else")
	}
}

func TestLayout_everyPackageIsDocumented(t *testing.T) {
	written, documented := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if ast.IsGenerated(s.file) {
			continue
		}
		written[s.room] = true
		if s.file.Doc == nil {
			continue
		}
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command " + path.Base(s.room) + " "
		}
		if !strings.HasPrefix(s.file.Doc.Text(), want) {
			t.Errorf("%s: the package comment does not begin with %q", s.path, want)
		}
		if documented[s.room] {
			t.Errorf("%s: a second package comment", s.path)
		}
		documented[s.room] = true
	}
	for room := range written {
		if !documented[room] {
			t.Errorf("package %s has no package comment", room)
		}
	}
}

func TestLayout_pureRoomsTouchNothing(t *testing.T) {
	for _, s := range sources(t) {
		if !slices.Contains(pure, s.room) {
			continue
		}
		for _, p := range s.imports() {
			first, _, _ := strings.Cut(p, "/")
			if standard(p) && slices.Contains(impure, first) && !slices.Contains(impureAllowed[s.room], p) {
				t.Errorf("%s imports %s", s.path, p)
			}
		}
		for n := range ast.Preorder(s.file) {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", s.fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, n.Sel.Name) {
					t.Errorf("%s: time.%s reads a clock; time is an argument", s.fset.Position(n.Pos()), n.Sel.Name)
				}
			}
		}
	}
}

// secretive are the rooms where nearly every array of bytes is a secret.
var secretive = []string{"pqxdh", "ratchet", "ratchet/internal/kdf", "ratchet/internal/mlkem768", "ratchet/internal/erasure",
	"ratchet/internal/skipped", "ratchet/internal/braid", "ratchet/internal/spqr", "ratchet/internal/triple"}

// compareEarly are functions that stop at the first difference, which tells how
// much of a guess was right.
var compareEarly = map[string][]string{"bytes": {"Equal", "Compare", "HasPrefix", "EqualFold"}, "slices": {"Equal", "Compare"},
	"reflect": {"DeepEqual"}, "cmp": {"Compare"}}

func TestLayout_secretsAreComparedInConstantTime(t *testing.T) {
	rooms := map[string]bool{}
	for _, s := range sources(t) {
		if !slices.Contains(secretive, s.room) {
			continue
		}
		rooms[s.room] = true
		for n := range ast.Preorder(s.file) {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				continue
			}
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(compareEarly[x.Name], sel.Sel.Name) {
				t.Errorf("%s: %s.%s takes time that depends on what it compares; use crypto/subtle", s.fset.Position(n.Pos()), x.Name, sel.Sel.Name)
			}
		}
	}
	if len(rooms) != len(secretive) {
		t.Errorf("looked into %d rooms of %d", len(rooms), len(secretive))
	}
}

var (
	labelForm    = regexp.MustCompile(`^kith v1 [a-z]+ [A-Za-z0-9][A-Za-z0-9 -]*$`)
	protocolForm = regexp.MustCompile(`^/kith/[a-z]+/[0-9]+$`)
)

// TestLayout_labelsAndProtocolsAreUnique: no two derivations share a label, no
// two streams a protocol, and every one of them is in a specification.
func TestLayout_labelsAndProtocolsAreUnique(t *testing.T) {
	specs := specifications(t)
	at := map[string]string{}
	for _, s := range sources(t) {
		for n := range ast.Preorder(s.file) {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				continue
			}
			text, _ := strconv.Unquote(lit.Value)
			label := strings.HasPrefix(text, "kith v")
			if !label && !strings.HasPrefix(text, "/kith/") {
				continue
			}
			here := s.fset.Position(lit.Pos()).String()
			if there, taken := at[text]; taken {
				t.Errorf("%q at %s and at %s", text, there, here)
			}
			at[text] = here
			if label && !labelForm.MatchString(text) || !label && !protocolForm.MatchString(text) {
				t.Errorf("%s: %q has not the form of a label or protocol", here, text)
			}
			if !slices.ContainsFunc(specs, func(d *specification) bool { return strings.Contains(d.text, text) }) {
				t.Errorf("%s: %q is in no specification", here, text)
			}
		}
	}
	if len(at) == 0 {
		t.Error("no label found: the test looks for the wrong thing")
	}
}

// TestLayout_dependenciesAreExplained: every module that code here imports has
// its line in docs/dependencies.md, at the version go.mod has.
func TestLayout_dependenciesAreExplained(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join("docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`).FindAllStringSubmatch(string(mod), -1)
	for _, m := range direct {
		if !strings.Contains(string(doc), "| "+m[1]+" | "+m[2]+" |") {
			t.Errorf("docs/dependencies.md has no line for %s %s", m[1], m[2])
		}
	}
	if len(direct) == 0 {
		t.Error("no direct requirement found: the test looks for the wrong thing")
	}
}

// specification is one document of docs/spec.
type specification struct {
	name, text string
	rules      []string // such as "ID-01", in the document's order
}

var rule = regexp.MustCompile(`(?m)^\s*(?:[0-9-]\.? +)?(?:- )?\*\*([A-Z]{1,3}-[0-9]{2})\*\*`)

func specifications(t *testing.T) []*specification {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("docs", "spec", "*.md"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no specifications: %v", err)
	}
	var all []*specification
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := &specification{name: filepath.Base(name), text: string(b)}
		for _, m := range rule.FindAllStringSubmatch(d.text, -1) {
			d.rules = append(d.rules, m[1])
		}
		all = append(all, d)
	}
	return all
}

// enforced are the specifications of which every rule is named by a test. One
// that says the sentence below is among them, too; of the others the test
// reports how far they are.
var enforced = []string{"identity.md", "pqxdh.md", "ratchet.md", "vault.md", "media.md"}

const promise = "Every rule of this document is named by a test."

var testName = regexp.MustCompile(`(?m)^func (?:Test|Fuzz)\w*?_([A-Z]{1,3})([0-9]{2})_\w+\(`)

func TestSpec_everyRuleIsNamedByATest(t *testing.T) {
	tested := map[string]string{} // rule -> a file that tests it
	walkFiles(t, "_test.go", func(name string) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testName.FindAllStringSubmatch(string(b), -1) {
			tested[m[1]+"-"+m[2]] = name
		}
	})
	owner := map[string]string{} // rule -> its document
	complete := map[string]bool{}
	for _, d := range specifications(t) {
		must := slices.Contains(enforced, d.name) || strings.Contains(d.text, promise)
		var missing []string
		for _, r := range d.rules {
			if other, twice := owner[r]; twice {
				t.Errorf("rule %s is in %s and in %s", r, other, d.name)
			}
			owner[r] = d.name
			complete[strings.Split(r, "-")[0]] = must
			if tested[r] == "" {
				missing = append(missing, r)
			}
		}
		switch {
		case len(missing) > 0 && must:
			t.Errorf("%s: no test is named after %s", d.name, strings.Join(missing, ", "))
		case len(missing) > 0:
			t.Logf("%s: %d of %d rules are not yet named by a test: %s", d.name, len(missing), len(d.rules), strings.Join(missing, ", "))
		}
	}
	for r, name := range tested {
		if prefix := strings.Split(r, "-")[0]; owner[r] == "" && complete[prefix] {
			t.Errorf("%s has a test for %s, which is no rule", name, r)
		}
	}
}

// TestSpec_linksLeadSomewhere follows every relative link of the documents.
func TestSpec_linksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
	walkFiles(t, ".md", func(name string) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if strings.Contains(m[1], ":") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %s leads nowhere", name, fmt.Sprintf("(%s)", m[1]))
			}
		}
	})
}

// TestAssurance_namesTestsThatExist: a table of proofs must not name what is gone.
func TestAssurance_namesTestsThatExist(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("docs", "assurance.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	walkFiles(t, "_test.go", func(name string) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(string(b), -1) {
			there[m[1]] = true
		}
	})
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(doc), -1)
	for _, m := range named {
		if !there[m[1]] {
			t.Errorf("docs/assurance.md names %s, which is no test", m[1])
		}
	}
	if len(named) < 31 {
		t.Errorf("docs/assurance.md names %d tests", len(named))
	}
}
