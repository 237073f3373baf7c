package identity_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"kith/identity"
)

var linkAlphabet = base32.StdEncoding.WithPadding(base32.NoPadding)

// linkOf writes the text form of any bytes, with the checksum right.
func linkOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "kith:" + linkAlphabet.EncodeToString(append(slices.Clone(body), sum[:4]...))
}

func bodyOf(t testing.TB, link string) []byte {
	t.Helper()
	raw, err := linkAlphabet.DecodeString(strings.TrimPrefix(link, "kith:"))
	if err != nil {
		t.Fatal(err)
	}
	return raw[:len(raw)-4]
}

func inviteSecret(t testing.TB, v *identity.Invite) []byte { return bodyOf(t, v.Link())[98:130] }

// rawInvite writes an invite by hand, as the specification says.
func rawInvite(p person, expires uint64, name string, hints ...string) []byte {
	account, device := p.Account.ID(), p.Device.ID()
	bundle, secret := sha256.Sum256([]byte("bundle")), sha256.Sum256([]byte("secret"))
	b := slices.Concat([]byte{1, 0}, account[:], device[:], bundle[:], secret[:])
	b = binary.BigEndian.AppendUint64(b, expires)
	b = append(append(b, byte(len(name))), name...)
	var list []byte
	for _, h := range hints {
		list = append(append(list, byte(len(h))), h...)
	}
	return append(binary.BigEndian.AppendUint16(b, uint16(len(list))), list...)
}

func TestIdentity_ID18_inviteRoundTrip(t *testing.T) {
	p := newPerson(t, "alice")
	v, err := identity.NewInvite(p.Account.ID(), p.Device.ID(), identity.BundleHash{7}, noon, "Alice", []string{"/ip4/192.0.2.1/udp/4001/quic-v1", "\x04\x00\xff"})
	if err != nil {
		t.Fatal(err)
	}
	link := v.Link()
	for name, text := range map[string]string{
		"as it is":     link,
		"upper":        strings.ToUpper(link),
		"lower":        strings.ToLower(link),
		"mixed":        strings.ToUpper(link[:50]) + strings.ToLower(link[50:]),
		"surrounded":   "\r\n\t " + link + " \n",
		"line breaks":  link[:30] + "\r\n" + link[30:60] + "\n   " + link[60:],
		"before colon": "kith" + "\n" + link[4:],
	} {
		got, err := identity.ParseInvite(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Link() != link || got.Account != v.Account || got.Device != v.Device || got.Bundle != v.Bundle ||
			got.Expires != v.Expires || got.Name != v.Name || !slices.Equal(got.Hints, v.Hints) || got.PSK() != v.PSK() {
			t.Errorf("%s: changed on the way", name)
		}
	}
	if other, err := identity.NewInvite(p.Account.ID(), p.Device.ID(), identity.BundleHash{7}, noon, "", nil); err != nil || other.PSK() == v.PSK() {
		t.Errorf("two invites share their secret: %v", err)
	}
}

func TestIdentity_ID18_otherTextsAreNoInvites(t *testing.T) {
	link := linkOf(rawInvite(newPerson(t, "alice"), noon, ""))
	for _, text := range []string{
		"", "kith", "hello", "https://example.org/", "kith1qqqq", "x" + link, "\u212aith" + link[4:],
		strings.Repeat(" ", identity.MaxLinkText-len(link)+1) + link,
	} {
		if _, err := identity.ParseInvite(text); !errors.Is(err, identity.ErrNotInvite) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := identity.ParseInvite(strings.Repeat(" ", identity.MaxLinkText-len(link)) + link); err != nil {
		t.Errorf("text of MaxLinkText bytes: %v", err)
	}
}

func TestIdentity_ID19_damagedLinksAreNamedSo(t *testing.T) {
	link := linkOf(rawInvite(newPerson(t, "alice"), noon, "Alice", "hint"))
	damaged := map[string]string{"nothing after the colon": "kith:", "text run together": link + "THANKS", "punctuation": link + ".", "twice": link + link}
	for n := len("kith:"); n < len(link); n++ {
		damaged["cut to "+link[:n]] = link[:n]
	}
	for i := len("kith:"); i < len(link); i++ {
		for _, c := range "A7" {
			if link[i] != byte(c) {
				damaged["mistyped "+link[:i]] = link[:i] + string(c) + link[i+1:]
			}
		}
		damaged["doubled "+link[:i]] = link[:i] + link[i:i+1] + link[i:]
	}
	for name, text := range damaged {
		_, err := identity.ParseInvite(text)
		if !errors.Is(err, identity.ErrDamagedLink) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Bits left over in the last character would give a link many spellings.
func TestIdentity_ID19_excessBitsRefused(t *testing.T) {
	p := newPerson(t, "alice")
	for n := range 5 {
		link := linkOf(rawInvite(p, noon, strings.Repeat("n", n)))
		var spellings int
		for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" {
			if _, err := identity.ParseInvite(link[:len(link)-1] + string(c)); err == nil {
				spellings++
			}
		}
		if spellings != 1 {
			t.Errorf("name of %d bytes: %d spellings", n, spellings)
		}
	}
}

func TestIdentity_ID20_limits(t *testing.T) {
	p := newPerson(t, "alice")
	name, hint := strings.Repeat("n", identity.MaxName), strings.Repeat("h", identity.MaxHint)
	largest := linkOf(rawInvite(p, noon, name, slices.Repeat([]string{hint}, identity.MaxHints)...))
	if v, err := identity.ParseInvite(largest); err != nil || v.Link() != largest || len(largest) != identity.MaxLink {
		t.Errorf("largest invite of %d characters: %v", len(largest), err)
	}
	for what, body := range map[string][]byte{
		"name too long":     rawInvite(p, noon, name+"n"),
		"too many hints":    rawInvite(p, noon, "", slices.Repeat([]string{"h"}, identity.MaxHints+1)...),
		"hint too long":     rawInvite(p, noon, "", hint+"h"),
		"empty hint":        rawInvite(p, noon, "", "h", ""),
		"never expires":     rawInvite(p, 0, ""),
		"excess byte":       append(rawInvite(p, noon, ""), 0),
		"flags":             append([]byte{1, 1}, rawInvite(p, noon, "")[2:]...),
		"empty":             {},
		"cut short":         rawInvite(p, noon, "")[:100],
		"cut hint":          append(bytes.Clone(rawInvite(p, noon, "")[:139]), 0, 2, 9, 'h'),
		"no account":        append([]byte{1, 0}, append(make([]byte, 32), rawInvite(p, noon, "")[34:]...)...),
		"no device":         slices.Concat(rawInvite(p, noon, "")[:34], make([]byte, 32), rawInvite(p, noon, "")[66:]),
		"device is account": slices.Concat(rawInvite(p, noon, "")[:34], rawInvite(p, noon, "")[2:34], rawInvite(p, noon, "")[66:]),
	} {
		if _, err := identity.ParseInvite(linkOf(body)); !errors.Is(err, identity.ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := identity.ParseInvite(linkOf(append([]byte{2}, "anything"...))); !errors.Is(err, identity.ErrVersion) {
		t.Errorf("version 2: %v", err)
	}
	if _, err := identity.NewInvite(p.Account.ID(), p.Device.ID(), identity.BundleHash{}, noon, name+"n", nil); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("new invite with a long name: %v", err)
	}
	if _, err := identity.NewInvite(p.Account.ID(), p.Device.ID(), identity.BundleHash{}, noon, "", []string{""}); !errors.Is(err, identity.ErrMalformed) {
		t.Errorf("new invite with an empty hint: %v", err)
	}
}

func TestIdentity_ID21_names(t *testing.T) {
	p := newPerson(t, "alice")
	for _, name := range []string{"", "Zoë", "李雷", "👩\u200d🔬", "نورا", " spaces "} {
		if v, err := identity.ParseInvite(linkOf(rawInvite(p, noon, name))); err != nil || v.Name != name {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"a\x00", "a\nb", "\x1b[2J", "\x7f", "\u0085", "\u202egnp.exe", "\u2066", "\u2069", "\u2028", "\xff", "\xc0\x80"} {
		if _, err := identity.ParseInvite(linkOf(rawInvite(p, noon, name))); !errors.Is(err, identity.ErrMalformed) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestIdentity_ID22_derivedKeysDiffer(t *testing.T) {
	v, err := identity.ParseInvite(linkOf(rawInvite(newPerson(t, "alice"), noon, "")))
	if err != nil {
		t.Fatal(err)
	}
	id, seal, psk := v.ID(), v.SealKey(), v.PSK()
	if seal == psk || bytes.Equal(id[:], seal[:16]) || bytes.Equal(id[:], psk[:16]) || bytes.Equal(psk[:], inviteSecret(t, v)) {
		t.Error("keys for different purposes are related")
	}
}

func TestIdentity_ID23_inviteExpiry(t *testing.T) {
	v, err := identity.ParseInvite(linkOf(rawInvite(newPerson(t, "alice"), noon, "")))
	if err != nil {
		t.Fatal(err)
	}
	for now, want := range map[int64]bool{noon - 1: false, noon: true, -1: false} {
		if got := v.Expired(time.Unix(now, 0)); got != want {
			t.Errorf("at %d: %v", now, got)
		}
	}
}
