package identity

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
)

const (
	inviteVersion = 1

	labelInviteID   = "kith v1 identity invite-id"
	labelInviteSeal = "kith v1 identity invite-seal-key"
	labelInvitePSK  = "kith v1 identity invite-psk"
	labelInviteBox  = "kith v1 identity invite-boxes"
)

// BundleHash is the SHA-256 of the prekey bundle an invite stands for.
type BundleHash [sha256.Size]byte

// Invite lets one person, once, begin a conversation. Whoever holds its secret first
// can use it. Obtain it from [NewInvite] or [ParseInvite]; treat it as read-only. It
// never prints its secret: use [Invite.Link] for the text to hand over.
type Invite struct {
	Account AccountID  // who invites
	Device  DeviceID   // the device that answers
	Bundle  BundleHash // of the prekey bundle this invite stands for
	Expires uint64     // Unix seconds, never 0
	Name    string     // what the inviter calls itself; may be empty; unverified
	Hints   []string   // where to look for the device; opaque bytes, possibly unprintable

	secret hidden[[keySize]byte]
}

// NewInvite makes an invite with a fresh secret. expires is in Unix seconds; name has
// at most MaxName bytes, hints are at most MaxHints of at most MaxHint bytes each. It
// returns ErrMalformed when an argument breaks a rule of the format.
func NewInvite(account AccountID, device DeviceID, bundle BundleHash, expires uint64, name string, hints []string) (*Invite, error) {
	secret := new([keySize]byte)
	rand.Read(secret[:])
	v := &Invite{
		Account: account, Device: device, Bundle: bundle, Expires: expires,
		Name: name, Hints: slices.Clone(hints), secret: hide(secret),
	}
	if err := v.check(); err != nil {
		return nil, err
	}
	return v, nil
}

// Expired reports whether the invite has run out at now.
func (v *Invite) Expired(now time.Time) bool { return unixSeconds(now) >= v.Expires }

// ID names the invite without giving it away: 16 bytes derived from the secret.
func (v *Invite) ID() [16]byte { return [16]byte(v.derive(labelInviteID, 16)) }

// SealKey is the key that seals what is stored or sent on account of this invite,
// such as the prekey bundle and the first message's wrapping.
func (v *Invite) SealKey() [32]byte { return [32]byte(v.derive(labelInviteSeal, 32)) }

// PSK is the pre-shared key to mix into the first key agreement.
func (v *Invite) PSK() [32]byte { return [32]byte(v.derive(labelInvitePSK, 32)) }

// BoxSecret returns the secret of the two streams of boxes by which an invite is
// taken up while the inviter is away: 32 bytes, for docs/spec/box.md. ID-22.
func (v *Invite) BoxSecret() [32]byte { return [32]byte(v.derive(labelInviteBox, 32)) }

func (v *Invite) derive(label string, size int) []byte {
	key, err := hkdf.Key(sha256.New, v.secret.reveal()[:], nil, label, size)
	if err != nil {
		// HKDF refuses only lengths beyond 8160 bytes and, in FIPS mode, short keys.
		panic("identity: invite key: " + err.Error())
	}
	return key
}

// String returns a fixed text in place of the invite.
func (Invite) String() string { return "identity.Invite(secret)" }

// GoString returns a fixed text in place of the invite.
func (v Invite) GoString() string { return v.String() }

// Format writes a fixed text in place of the invite, whatever the verb.
func (v Invite) Format(f fmt.State, _ rune) { io.WriteString(f, v.String()) }

func (v *Invite) body() []byte {
	var b cryptobyte.Builder
	b.AddUint8(inviteVersion)
	b.AddUint8(0) // flags: none are defined
	b.AddBytes(v.Account[:])
	b.AddBytes(v.Device[:])
	b.AddBytes(v.Bundle[:])
	b.AddBytes(v.secret.reveal()[:])
	b.AddUint64(v.Expires)
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(v.Name)) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, hint := range v.Hints {
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(hint)) })
		}
	})
	return b.BytesOrPanic()
}

func parseInviteBody(body []byte) (*Invite, error) {
	s := cryptobyte.String(body)
	var version, flags uint8
	if !s.ReadUint8(&version) {
		return nil, fmt.Errorf("%w: empty invite", ErrMalformed)
	}
	if version != inviteVersion {
		return nil, fmt.Errorf("%w: invite %d", ErrVersion, version)
	}
	secret := new([keySize]byte)
	v := &Invite{secret: hide(secret)}
	var name, hints cryptobyte.String
	if !s.ReadUint8(&flags) || !s.CopyBytes(v.Account[:]) || !s.CopyBytes(v.Device[:]) || !s.CopyBytes(v.Bundle[:]) ||
		!s.CopyBytes(secret[:]) || !s.ReadUint64(&v.Expires) || !s.ReadUint8LengthPrefixed(&name) ||
		!s.ReadUint16LengthPrefixed(&hints) || !s.Empty() {
		return nil, fmt.Errorf("%w: invite of a wrong size", ErrMalformed)
	}
	if flags != 0 {
		return nil, fmt.Errorf("%w: unknown flags in an invite", ErrMalformed)
	}
	v.Name = string(name)
	for !hints.Empty() {
		var hint cryptobyte.String
		if !hints.ReadUint8LengthPrefixed(&hint) {
			return nil, fmt.Errorf("%w: address hint is cut short", ErrMalformed)
		}
		v.Hints = append(v.Hints, string(hint))
	}
	if err := v.check(); err != nil {
		return nil, err
	}
	return v, nil
}

func (v *Invite) check() error {
	if err := checkEd25519(v.Account); err != nil {
		return fmt.Errorf("invite account: %w", err)
	}
	if err := checkEd25519(v.Device); err != nil {
		return fmt.Errorf("invite device: %w", err)
	}
	if [keySize]byte(v.Account) == [keySize]byte(v.Device) {
		return fmt.Errorf("%w: account key used as device key", ErrMalformed)
	}
	if v.Expires == 0 {
		return fmt.Errorf("%w: invite without expiry", ErrMalformed)
	}
	if err := checkName(v.Name); err != nil {
		return err
	}
	if len(v.Hints) > MaxHints {
		return fmt.Errorf("%w: %d address hints, at most %d", ErrMalformed, len(v.Hints), MaxHints)
	}
	for _, hint := range v.Hints {
		if len(hint) < 1 || len(hint) > MaxHint {
			return fmt.Errorf("%w: address hint of %d bytes, not 1 to %d", ErrMalformed, len(hint), MaxHint)
		}
	}
	return nil
}

// checkName refuses what could break or reorder the line a name is shown on (ID-21).
func checkName(name string) error {
	if len(name) > MaxName || !utf8.ValidString(name) {
		return fmt.Errorf("%w: name is not UTF-8 of at most %d bytes", ErrMalformed, MaxName)
	}
	for _, r := range name {
		switch {
		case r < 0x20, 0x7f <= r && r < 0xa0, // C0, DEL, C1
			0x2028 <= r && r <= 0x202e, // line and paragraph separators, bidirectional embedding
			0x2066 <= r && r <= 0x2069: // bidirectional isolates
			return fmt.Errorf("%w: name contains control characters", ErrMalformed)
		}
	}
	return nil
}
