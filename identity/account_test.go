package identity_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/cryptotest"

	"kith/identity"
)

func TestIdentity_ID01_addressRoundTrip(t *testing.T) {
	id := newPerson(t, "alice").Account.ID()
	text := id.String()
	if len(text) != 63 || !strings.HasPrefix(text, "kith1") {
		t.Fatalf("address is %s", text)
	}
	for _, spelling := range []string{text, strings.ToUpper(text)} {
		if got, err := identity.ParseAccountID(spelling); err != nil || got != id {
			t.Errorf("%s: %v, %v", spelling, got, err)
		}
	}
}

func TestIdentity_ID01_wrongAddressesRefused(t *testing.T) {
	text := newPerson(t, "alice").Account.ID().String()
	wrong := map[string]string{
		"empty":       "",
		"mixed case":  text[:20] + strings.ToUpper(text[20:]),
		"prefix case": "Kith1" + text[5:],
		"short":       text[:62],
		"long":        text + "q",
		"space":       " " + text[:62],
		"prefix":      "kitt1" + text[5:],
		"alphabet":    text[:10] + "b" + text[11:],
		"kelvin sign": "\u212aith1" + text[5:61],
		"not UTF-8":   text[:62] + "\xff",
	}
	for i := range len(text) {
		for _, c := range []string{"q", "p"} {
			if text[i:i+1] != c {
				wrong[fmt.Sprintf("character %d is %s", i, c)] = text[:i] + c + text[i+1:]
			}
		}
	}
	for name, s := range wrong {
		if _, err := identity.ParseAccountID(s); !errors.Is(err, identity.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIdentity_ID02_addressIsThePublicKeyOfTheSeed(t *testing.T) {
	p := newPerson(t, "alice")
	if id := p.Account.ID(); !bytes.Equal(id[:], p.account.Public().(ed25519.PublicKey)) {
		t.Fatalf("id %x", id)
	}
}

func TestIdentity_ID02_freshAccountsDiffer(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	a, b := identity.NewAccount(), identity.NewAccount()
	if a.ID() == b.ID() {
		t.Fatal("two accounts are the same")
	}
	if d, e := identity.NewDevice(), identity.NewDevice(); d.ID() == e.ID() || d.IdentityKey() == e.IdentityKey() {
		t.Fatal("two devices share a key")
	}
	id := a.ID()
	if a.Erase(); a.ID() == id {
		t.Fatal("erased account is still there")
	}
}

func TestIdentity_ID03_wordList(t *testing.T) {
	text, err := os.ReadFile("english.txt")
	if err != nil {
		t.Fatal(err)
	}
	const want = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
	if got := fmt.Sprintf("%x", sha256.Sum256(text)); got != want {
		t.Fatalf("SHA-256 %s", got)
	}
}

// The official vectors of BIP39 with 256 bits of entropy. The PBKDF2 column plays no
// part in kith; it shows that phrase and vector agree to the last letter.
func TestIdentity_ID03_bip39Vectors(t *testing.T) {
	file, err := os.ReadFile("testdata/bip39/english24.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Entropy, Mnemonic, Seed string }
	if err := json.Unmarshal(file, &vectors); err != nil || len(vectors) != 8 {
		t.Fatal(len(vectors), err)
	}
	for _, v := range vectors {
		account, err := identity.AccountFromPhrase(v.Mnemonic)
		if err != nil {
			t.Fatal(err)
		}
		want := ed25519.NewKeyFromSeed(unhex(t, v.Entropy)).Public().(ed25519.PublicKey)
		if id := account.ID(); !bytes.Equal(id[:], want) {
			t.Errorf("%s: another account", v.Entropy)
		}
		if account.Phrase() != v.Mnemonic {
			t.Errorf("%s: another phrase", v.Entropy)
		}
		seed, err := pbkdf2.Key(sha512.New, account.Phrase(), []byte("mnemonicTREZOR"), 2048, 64)
		if err != nil || hex.EncodeToString(seed) != v.Seed {
			t.Errorf("%s: PBKDF2 seed %x, %v", v.Entropy, seed, err)
		}
	}
}

func TestIdentity_ID03_phraseTolerance(t *testing.T) {
	account := newPerson(t, "alice").Account
	words := strings.Fields(account.Phrase())
	var short []string
	for _, w := range words {
		short = append(short, w[:min(4, len(w))])
	}
	for _, spelling := range []string{
		strings.Join(words, " "),
		"\n " + strings.Join(words, " \t\r\n ") + " ",
		strings.ToUpper(strings.Join(words, " ")),
		strings.Join(short, " "),
	} {
		if got, err := identity.AccountFromPhrase(spelling); err != nil || got.ID() != account.ID() {
			t.Errorf("%q: %v", spelling, err)
		}
	}
}

func TestIdentity_ID03_wrongPhrasesRefusedWithoutEcho(t *testing.T) {
	words := strings.Fields(newPerson(t, "alice").Account.Phrase())
	replaced := func(i int, w string) string {
		changed := append([]string(nil), words...)
		changed[i] = w
		return strings.Join(changed, " ")
	}
	for phrase, want := range map[string]error{
		"":                                    identity.ErrPhraseLength,
		strings.Join(words[:23], " "):         identity.ErrPhraseLength,
		strings.Join(words, " ") + " abandon": identity.ErrPhraseLength,
		strings.Repeat(" ", identity.MaxPhraseText-len(strings.Join(words, " "))+1) + strings.Join(words, " "): identity.ErrPhraseLength,
		replaced(3, differentWord(words[3])): identity.ErrPhraseChecksum,
	} {
		if _, err := identity.AccountFromPhrase(phrase); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", len(phrase), err, want)
		}
	}
	if _, err := identity.AccountFromPhrase(strings.Repeat(" ", identity.MaxPhraseText-len(strings.Join(words, " "))) + strings.Join(words, " ")); err != nil {
		t.Errorf("phrase of MaxPhraseText bytes: %v", err)
	}
	for _, w := range []string{"aba", "abandons", "zzzz", "zooo", "\u212aangaroo", "kang\u0301", "1"} {
		_, err := identity.AccountFromPhrase(replaced(7, w))
		unknown, ok := errors.AsType[*identity.UnknownWordError](err)
		if !ok || unknown.Position != 8 {
			t.Errorf("%q: %v", w, err)
		} else if strings.Contains(err.Error(), w) && w != "1" {
			t.Errorf("%q is echoed", w)
		}
	}
}

func differentWord(w string) string {
	if w == "ability" {
		return "able"
	}
	return "ability"
}

func TestIdentity_ID04_deviceIDText(t *testing.T) {
	id := newPerson(t, "alice").Device.ID()
	if got, err := identity.ParseDeviceID(id.String()); err != nil || got != id {
		t.Fatal(got, err)
	}
	for _, s := range []string{"", id.String()[:62], id.String() + "00", strings.ToUpper(id.String()), "x" + id.String()[1:]} {
		if _, err := identity.ParseDeviceID(s); !errors.Is(err, identity.ErrMalformed) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestIdentity_ID05_unacceptableEd25519Keys(t *testing.T) {
	for name, key := range unacceptableEd25519 {
		if _, err := identity.AccountIDFromBytes(unhex(t, key)); !errors.Is(err, identity.ErrMalformed) {
			t.Errorf("account %s: %v", name, err)
		}
		if _, err := identity.DeviceIDFromBytes(unhex(t, key)); !errors.Is(err, identity.ErrMalformed) {
			t.Errorf("device %s: %v", name, err)
		}
	}
	for name := range 50 {
		id := newPerson(t, fmt.Sprint(name)).Account.ID()
		if got, err := identity.AccountIDFromBytes(id[:]); err != nil || got != id {
			t.Errorf("sound key refused: %v", err)
		}
	}
}

// Edwards encodings, little-endian: small order in every spelling, canonical or not,
// and strings that are no point.
var unacceptableEd25519 = map[string]string{
	"identity":                  "0100000000000000000000000000000000000000000000000000000000000000",
	"identity, sign":            "0100000000000000000000000000000000000000000000000000000000000080",
	"order 2":                   "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"order 2, sign":             "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"order 4":                   "0000000000000000000000000000000000000000000000000000000000000000",
	"order 4, sign":             "0000000000000000000000000000000000000000000000000000000000000080",
	"order 8":                   "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"order 8, sign":             "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"order 8, other":            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"order 8, other, sign":      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"p":                         "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"p+1, sign":                 "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"2^255-1":                   "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"y=2, not a point":          "0200000000000000000000000000000000000000000000000000000000000000",
	"p+3, second spelling of 3": "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"short":                     "58666666666666666666666666666666666666666666666666666666666666",
	"long":                      "586666666666666666666666666666666666666666666666666666666666666600",
}

func TestIdentity_ID06_unacceptableX25519Keys(t *testing.T) {
	for name, key := range unacceptableX25519 {
		if err := identity.IdentityKey(unhex(t, key)).Check(); !errors.Is(err, identity.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	key := newPerson(t, "alice").Device.IdentityKey()
	if err := key.Check(); err != nil {
		t.Error(err)
	}
	if got := key.PublicKey().Bytes(); !bytes.Equal(got, key[:]) {
		t.Errorf("public key %x", got)
	}
}

var unacceptableX25519 = map[string]string{
	"0":        "0000000000000000000000000000000000000000000000000000000000000000",
	"1":        "0100000000000000000000000000000000000000000000000000000000000000",
	"order 8":  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"order 8b": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"p-1":      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"p":        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"p+1":      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"p+9":      "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"top bit":  "0900000000000000000000000000000000000000000000000000000000000080",
	"all ones": "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func TestIdentity_ID24_nothingPrintsASecret(t *testing.T) {
	p := newPerson(t, "alice")
	invite, err := identity.NewInvite(p.Account.ID(), p.Device.ID(), identity.BundleHash{1}, noon, "Alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	type wrapper struct {
		account  *identity.Account
		copied   identity.Account
		device   identity.Device
		secrets  identity.Secrets
		invite   *identity.Invite
		exported struct{ Invite identity.Invite }
	}
	w := wrapper{account: p.Account, copied: *p.Account, device: *p.Device, secrets: p.Secrets, invite: invite}
	w.exported.Invite = *invite
	secrets := [][]byte{p.account.Seed(), p.device.Seed(), p.Device.IdentityPrivate().Bytes(), inviteSecret(t, invite)}
	for _, v := range []any{p.Account, *p.Account, p.Device, *p.Device, p.Secrets, &p.Secrets, invite, *invite, w, &w} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%c", "%U"} {
			out := fmt.Sprintf(verb, v)
			for _, s := range secrets {
				for _, form := range []string{"%x", "%X", "%d", "%s", "%v", "%b", "%U"} {
					text := strings.Trim(fmt.Sprintf(form, s[:8]), "[]")
					if strings.Contains(out, text) {
						t.Errorf("%T with %s shows a secret", v, verb)
					}
				}
			}
		}
		if js, err := json.Marshal(v); err == nil {
			for _, s := range secrets {
				if bytes.Contains(js, []byte(hex.EncodeToString(s[:8]))) {
					t.Errorf("%T in JSON shows a secret", v)
				}
			}
		}
	}
}
