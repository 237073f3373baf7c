package identity_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"kith/identity"
)

var update = flag.Bool("update", false, "write testdata/vectors anew")

const vectorFile = "testdata/vectors/identity.txt"

// hexOf writes the bytes of a key; the verb %x would use its String method.
func hexOf[T ~[32]byte](key T) string { return hex.EncodeToString(key[:]) }

// vector is one block of the file: fields in order, "expect" among them.
type vector [][2]string

func (v vector) field(name string) string {
	for _, f := range v {
		if f[0] == name {
			return f[1]
		}
	}
	return ""
}

var outcomes = map[string]error{
	"ok": nil, "malformed": identity.ErrMalformed, "version": identity.ErrVersion, "forged": identity.ErrForged,
	"not an invite": identity.ErrNotInvite, "damaged": identity.ErrDamagedLink, "fork": identity.ErrFork,
	"stale": identity.ErrStale, "gap": identity.ErrGap, "length": identity.ErrPhraseLength, "checksum": identity.ErrPhraseChecksum,
}

func TestIdentity_vectorsAreFresh(t *testing.T) {
	var out bytes.Buffer
	fmt.Fprintln(&out, "# Vectors of docs/spec/identity.md. Fields are hexadecimal or text; an empty line ends a vector.")
	fmt.Fprintln(&out, "# \"expect\" is what a reader must answer; what stands below it must come out of the input.")
	for _, v := range makeVectors(t) {
		fmt.Fprintln(&out)
		for _, f := range v {
			fmt.Fprintf(&out, "%s: %s\n", f[0], f[1])
		}
	}
	if *update {
		if err := os.WriteFile(vectorFile, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(vectorFile); err != nil || !bytes.Equal(have, out.Bytes()) {
		t.Fatalf("%s is not what the code makes (%v); look at the difference after -update", vectorFile, err)
	}
}

func TestIdentity_vectors(t *testing.T) {
	var checked int
	for _, v := range readVectors(t) {
		t.Run(v.field("kind")+"/"+v.field("name"), func(t *testing.T) {
			want, known := outcomes[v.field("expect")]
			if !known {
				t.Fatalf("unknown outcome %q", v.field("expect"))
			}
			got, err := answer(t, v)
			if !errors.Is(err, want) || (want == nil) != (err == nil) {
				t.Fatalf("answered %v", err)
			}
			for name, text := range got {
				if v.field(name) != text {
					t.Errorf("%s is %s, want %s", name, text, v.field(name))
				}
			}
		})
		checked++
	}
	if checked < 30 {
		t.Errorf("only %d vectors", checked)
	}
}

// answer gives the vector's input to the reader it is for, and returns what comes out.
func answer(t *testing.T, v vector) (map[string]string, error) {
	switch v.field("kind") {
	case "account":
		account, err := identity.AccountFromPhrase(v.field("phrase"))
		if err != nil {
			return nil, err
		}
		return map[string]string{"address": account.ID().String(), "public": hexOf(account.ID())}, nil
	case "address":
		id, err := identity.ParseAccountID(v.field("input"))
		if err != nil {
			return nil, err
		}
		return map[string]string{"public": hexOf(id)}, err
	case "secrets":
		s, err := identity.ParseSecrets(unhex(t, v.field("input")))
		if err != nil {
			return nil, err
		}
		return map[string]string{"device": s.Device.ID().String(), "identity key": fmt.Sprintf("%x", s.Device.IdentityKey())}, nil
	case "certificate":
		c, err := identity.ParseCertificate(unhex(t, v.field("input")))
		if err != nil {
			return nil, err
		}
		return map[string]string{"account": c.Account.String(), "device": c.Device.String(), "created": fmt.Sprint(c.Created), "expires": fmt.Sprint(c.Expires)}, nil
	case "device list":
		return answerList(t, v)
	case "safety number":
		a, errA := identity.ParseAccountID(v.field("one"))
		b, errB := identity.ParseAccountID(v.field("other"))
		return map[string]string{"number": identity.NewSafetyNumber(a, b).String()}, errors.Join(errA, errB)
	case "invite":
		return answerInvite(v)
	}
	t.Fatalf("unknown kind %q", v.field("kind"))
	return nil, nil
}

func answerList(t *testing.T, v vector) (map[string]string, error) {
	l, err := identity.ParseDeviceList(unhex(t, v.field("input")))
	if err != nil {
		return nil, err
	}
	if known := v.field("known"); known != "" {
		previous, err := identity.ParseDeviceList(unhex(t, known))
		if err != nil {
			t.Fatal(err)
		}
		return nil, l.Follows(previous)
	}
	return map[string]string{"number": fmt.Sprint(l.Seq), "devices": fmt.Sprint(len(l.Certificates)), "hash": fmt.Sprintf("%x", l.Hash())}, nil
}

func answerInvite(v vector) (map[string]string, error) {
	invite, err := identity.ParseInvite(v.field("input"))
	if err != nil {
		return nil, err
	}
	id, seal, psk, boxes := invite.ID(), invite.SealKey(), invite.PSK(), invite.BoxSecret()
	return map[string]string{
		"account": invite.Account.String(), "device": invite.Device.String(), "bundle": fmt.Sprintf("%x", invite.Bundle),
		"expires": fmt.Sprint(invite.Expires), "utf-8 name": invite.Name, "hints": strings.Join(invite.Hints, " "),
		"id": fmt.Sprintf("%x", id), "seal key": fmt.Sprintf("%x", seal), "psk": fmt.Sprintf("%x", psk), "box secret": fmt.Sprintf("%x", boxes), "link": invite.Link(),
	}, nil
}

func readVectors(t *testing.T) (vectors []vector) {
	file, err := os.Open(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	var v vector
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), ": ")
		switch {
		case strings.HasPrefix(lines.Text(), "#"):
		case ok:
			v = append(v, [2]string{name, value})
		case len(v) > 0:
			vectors, v = append(vectors, v), nil
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return append(vectors, v)
}

func makeVectors(t *testing.T) []vector {
	return slices.Concat(accountVectors(t), certificateVectors(t), listVectors(t), safetyVectors(t), inviteVectors(t))
}

func accountVectors(t *testing.T) (vectors []vector) {
	for _, name := range []string{"alice", "bob"} {
		p := newPerson(t, name)
		vectors = append(vectors,
			vector{
				{"kind", "account"}, {"name", name}, {"phrase", p.Account.Phrase()}, {"expect", "ok"},
				{"seed", fmt.Sprintf("%x", p.account.Seed())}, {"public", hexOf(p.Account.ID())}, {"address", p.Account.ID().String()},
			},
			vector{
				{"kind", "secrets"}, {"name", name}, {"input", fmt.Sprintf("%x", encode(t, p.Secrets))}, {"expect", "ok"},
				{"device", p.Device.ID().String()}, {"identity key", fmt.Sprintf("%x", p.Device.IdentityKey())},
			})
	}
	alice := newPerson(t, "alice")
	address := alice.Account.ID().String()
	words := strings.Fields(alice.Account.Phrase())
	slices.Reverse(words)
	return append(vectors,
		vector{{"kind", "account"}, {"name", "words in another order"}, {"phrase", strings.Join(words, " ")}, {"expect", "checksum"}},
		vector{{"kind", "account"}, {"name", "a word is missing"}, {"phrase", strings.Join(words[1:], " ")}, {"expect", "length"}},
		vector{{"kind", "address"}, {"name", "upper case"}, {"input", strings.ToUpper(address)}, {"expect", "ok"}, {"public", hexOf(alice.Account.ID())}},
		vector{{"kind", "address"}, {"name", "mixed case"}, {"input", "KITH" + address[4:]}, {"expect", "malformed"}},
		vector{{"kind", "address"}, {"name", "mistyped"}, {"input", address[:40] + swapped(address[40:])}, {"expect", "malformed"}},
		vector{{"kind", "address"}, {"name", "order 2"}, {"input", identity.AccountID(unhex(t, unacceptableEd25519["order 2"])).String()}, {"expect", "malformed"}},
		vector{{"kind", "address"}, {"name", "second spelling of y=3"}, {"input", identity.AccountID(unhex(t, unacceptableEd25519["p+3, second spelling of 3"])).String()}, {"expect", "malformed"}},
		vector{{"kind", "address"}, {"name", "not a point"}, {"input", identity.AccountID(unhex(t, unacceptableEd25519["y=2, not a point"])).String()}, {"expect", "malformed"}},
	)
}

// swapped exchanges the first two different neighbours.
func swapped(s string) string {
	for i := range len(s) - 1 {
		if s[i] != s[i+1] {
			return s[:i] + s[i+1:i+2] + s[i:i+1] + s[i+2:]
		}
	}
	return s
}

func certificateVectors(t *testing.T) []vector {
	p, mallory := newPerson(t, "alice"), newPerson(t, "mallory")
	c := p.certificate(t)
	entry := func(name, expect string, b []byte) vector {
		return vector{{"kind", "certificate"}, {"name", name}, {"input", fmt.Sprintf("%x", b)}, {"expect", expect}}
	}
	good := encode(t, c)
	return []vector{
		append(entry("alice", "ok", good), [][2]string{
			{"account", c.Account.String()}, {"device", c.Device.String()}, {"created", fmt.Sprint(c.Created)}, {"expires", fmt.Sprint(c.Expires)},
		}...),
		entry("bytes after the end", "malformed", append(slices.Clone(good), 0)),
		entry("version 2", "version", append([]byte{2}, good[1:]...)),
		entry("low-order identity key", "malformed", forge(t, p, p.account, p.device, func(body []byte) {
			copy(body[offsetIdentity:], unhex(t, unacceptableX25519["order 8"]))
		})),
		entry("certified by another account", "forged", forge(t, p, mallory.account, p.device, func([]byte) {})),
		entry("not accepted by the device", "forged", forge(t, p, p.account, mallory.device, func([]byte) {})),
		entry("expires at its creation", "malformed", forge(t, p, p.account, p.device, func(body []byte) {
			copy(body[offsetExpires:], body[offsetCreated:offsetExpires])
		})),
	}
}

func listVectors(t *testing.T) []vector {
	alice, certificates := family(t, 3)
	first := alice.list(t, nil, noon, certificates[0])
	second := alice.list(t, first, noon+1, certificates[:2]...)
	forked := alice.list(t, first, noon+2, certificates[0], certificates[2])
	third := alice.list(t, second, noon+3, certificates...)
	entry := func(name, expect string, b []byte) vector {
		return vector{{"kind", "device list"}, {"name", name}, {"input", fmt.Sprintf("%x", b)}, {"expect", expect}}
	}
	sound := func(name string, l *identity.DeviceList) vector {
		return append(entry(name, "ok", encode(t, l)), [][2]string{
			{"number", fmt.Sprint(l.Seq)}, {"devices", fmt.Sprint(len(l.Certificates))}, {"hash", fmt.Sprintf("%x", l.Hash())},
		}...)
	}
	after := func(name, expect string, l, known *identity.DeviceList) vector {
		return vector{{"kind", "device list"}, {"name", name}, {"known", fmt.Sprintf("%x", encode(t, known))}, {"input", fmt.Sprintf("%x", encode(t, l))}, {"expect", expect}}
	}
	return []vector{
		sound("first", first), sound("second", second),
		entry("unsorted", "malformed", rawList(t, alice, 1, identity.ListHash{}, noon, second.Certificates[1], second.Certificates[0])),
		entry("a device twice", "malformed", rawList(t, alice, 1, identity.ListHash{}, noon, certificates[0], certificates[0])),
		entry("no devices", "malformed", rawList(t, alice, 1, identity.ListHash{}, noon)),
		after("next", "ok", second, first), after("known already", "stale", first, first), after("older", "stale", first, second),
		after("one left out", "gap", third, first), after("same number", "fork", forked, second), after("other predecessor", "fork", third, forked),
	}
}

func safetyVectors(t *testing.T) []vector {
	alice, bob := newPerson(t, "alice").Account.ID(), newPerson(t, "bob").Account.ID()
	entry := func(name string, a, b identity.AccountID) vector {
		return vector{{"kind", "safety number"}, {"name", name}, {"one", a.String()}, {"other", b.String()}, {"expect", "ok"}, {"number", identity.NewSafetyNumber(a, b).String()}}
	}
	return []vector{entry("alice and bob", alice, bob), entry("bob and alice", bob, alice)}
}

func inviteVectors(t *testing.T) []vector {
	p := newPerson(t, "alice")
	entry := func(name, expect, link string) vector {
		return vector{{"kind", "invite"}, {"name", name}, {"input", link}, {"expect", expect}}
	}
	link := linkOf(rawInvite(p, noon, "Zoë", "/ip4/192.0.2.1/udp/4001/quic-v1", "/dns4/example.org/tcp/4001"))
	v, err := identity.ParseInvite(link)
	if err != nil {
		t.Fatal(err)
	}
	id, seal, psk, boxes := v.ID(), v.SealKey(), v.PSK(), v.BoxSecret()
	sound := append(entry("two hints", "ok", strings.ToUpper(link)), [][2]string{
		{"account", v.Account.String()}, {"device", v.Device.String()}, {"bundle", fmt.Sprintf("%x", v.Bundle)}, {"secret", fmt.Sprintf("%x", inviteSecret(t, v))},
		{"expires", fmt.Sprint(v.Expires)}, {"utf-8 name", v.Name}, {"hints", strings.Join(v.Hints, " ")},
		{"id", fmt.Sprintf("%x", id)}, {"seal key", fmt.Sprintf("%x", seal)}, {"psk", fmt.Sprintf("%x", psk)}, {"box secret", fmt.Sprintf("%x", boxes)}, {"link", v.Link()},
	}...)
	return []vector{
		sound,
		entry("cut short", "damaged", link[:len(link)-3]),
		entry("mistyped", "damaged", link[:60]+swapped(link[60:])),
		entry("another scheme", "not an invite", "https://example.org/"+link[5:]),
		entry("version 2", "version", linkOf([]byte{2})),
		entry("unknown flag", "malformed", linkOf(append([]byte{1, 1}, rawInvite(p, noon, "")[2:]...))),
		entry("escape in the name", "malformed", linkOf(rawInvite(p, noon, "\x1b[2J"))),
		entry("bytes after the end", "malformed", linkOf(append(rawInvite(p, noon, ""), 0))),
	}
}
