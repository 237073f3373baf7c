package identity

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

const (
	listVersion = 1

	labelList = "kith v1 identity device-list"
)

// ListHash is the SHA-256 of an encoded device list, signature included. The zero
// value stands for "no list".
type ListHash [sha256.Size]byte

// DeviceList is an account's complete statement of which devices speak for it,
// linked by hash to the one before. Obtain it from [Account.SignList] or
// [ParseDeviceList], both of which return verified ones only. Treat it as read-only.
type DeviceList struct {
	Account      AccountID
	Seq          uint64         // 1 for the account's first list, then one more each time
	Previous     ListHash       // hash of list Seq-1; zero for the first
	Issued       uint64         // Unix seconds, never before the previous list's
	Certificates []*Certificate // 1 to MaxDevices, ascending by device id
	signature    [signatureSize]byte
}

// SignList makes the list that follows previous (nil for the account's first) and
// contains exactly certificates, in any order. It returns ErrMalformed or ErrForged
// when the result would not verify or would not follow, for instance because issued
// (Unix seconds) lies before the previous list's.
func (a *Account) SignList(previous *DeviceList, issued uint64, certificates []*Certificate) (*DeviceList, error) {
	l := &DeviceList{Account: a.ID(), Seq: 1, Issued: issued, Certificates: slices.Clone(certificates)}
	if previous != nil {
		l.Seq, l.Previous = previous.Seq+1, previous.Hash()
	}
	slices.SortFunc(l.Certificates, func(x, y *Certificate) int { return bytes.Compare(x.Device[:], y.Device[:]) })
	if err := l.checkFields(); err != nil {
		return nil, err
	}
	l.signature = sign(a.private(), labelList, l.body())
	if err := l.Verify(); err != nil {
		return nil, err
	}
	if previous != nil {
		if err := l.Follows(previous); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Hash returns what the next list carries as Previous.
func (l *DeviceList) Hash() ListHash { return sha256.Sum256(l.encoded()) }

// Certificate returns the certificate of a device, or nil if the list has none.
func (l *DeviceList) Certificate(id DeviceID) *Certificate {
	for _, c := range l.Certificates {
		if c.Device == id {
			return c
		}
	}
	return nil
}

// Active returns the certificates that have not expired at now, in list order.
func (l *DeviceList) Active(now time.Time) []*Certificate {
	return slices.DeleteFunc(slices.Clone(l.Certificates), func(c *Certificate) bool { return c.Expired(now) })
}

// Verify checks everything that can be checked without another list: rules ID-05 to
// ID-12. ParseDeviceList has done it already. Errors: ErrMalformed, ErrForged.
func (l *DeviceList) Verify() error {
	if err := l.checkFields(); err != nil {
		return err
	}
	if !verify(l.Account, labelList, l.body(), l.signature) {
		return fmt.Errorf("%w: signature of a device list", ErrForged)
	}
	for _, c := range l.Certificates {
		if err := c.verify(); err != nil {
			return err
		}
	}
	return nil
}

// Follows reports whether l is the list right after previous, both verified.
// nil: it is; adopt it. ErrStale: l is previous or has a lower number. ErrGap: lists
// between are missing. ErrFork: the account signed two histories; both lists are the
// proof. ErrForged: another account's list. ErrMalformed: issued before previous.
// Rules ID-13 to ID-15.
func (l *DeviceList) Follows(previous *DeviceList) error {
	switch {
	case l.Account != previous.Account:
		return fmt.Errorf("%w: device list of another account", ErrForged)
	case l.Seq == previous.Seq && l.Hash() != previous.Hash():
		return fmt.Errorf("%w: two lists with number %d", ErrFork, l.Seq)
	case l.Seq <= previous.Seq:
		return fmt.Errorf("%w: number %d, known %d", ErrStale, l.Seq, previous.Seq)
	case l.Seq > previous.Seq+1:
		return fmt.Errorf("%w: number %d, known %d", ErrGap, l.Seq, previous.Seq)
	case l.Previous != previous.Hash():
		return fmt.Errorf("%w: list %d has another predecessor", ErrFork, l.Seq)
	case l.Issued < previous.Issued:
		return fmt.Errorf("%w: device list issued before its predecessor", ErrMalformed)
	}
	return nil
}

// ParseDeviceList reads and verifies a device list; nothing may follow it. Errors:
// ErrMalformed, ErrVersion, ErrForged.
func ParseDeviceList(b []byte) (*DeviceList, error) {
	s := cryptobyte.String(b)
	l, err := readList(&s)
	if err != nil {
		return nil, err
	}
	if !s.Empty() {
		return nil, fmt.Errorf("%w: bytes after the device list", ErrMalformed)
	}
	if err := l.Verify(); err != nil {
		return nil, err
	}
	return l, nil
}

// AppendBinary appends the bytes that ParseDeviceList reads, at most MaxListSize. It
// never fails.
func (l *DeviceList) AppendBinary(b []byte) ([]byte, error) { return append(b, l.encoded()...), nil }

func (l *DeviceList) body() []byte {
	var b cryptobyte.Builder
	b.AddUint8(listVersion)
	b.AddBytes(l.Account[:])
	b.AddUint64(l.Seq)
	b.AddBytes(l.Previous[:])
	b.AddUint64(l.Issued)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, c := range l.Certificates {
			b.AddBytes(c.Request.encoded())
			b.AddBytes(c.signature[:])
		}
	})
	return b.BytesOrPanic()
}

func (l *DeviceList) encoded() []byte { return append(l.body(), l.signature[:]...) }

func readList(s *cryptobyte.String) (*DeviceList, error) {
	var version uint8
	if !s.ReadUint8(&version) {
		return nil, fmt.Errorf("%w: empty device list", ErrMalformed)
	}
	if version != listVersion {
		return nil, fmt.Errorf("%w: device list %d", ErrVersion, version)
	}
	var l DeviceList
	var certificates cryptobyte.String
	if !s.CopyBytes(l.Account[:]) || !s.ReadUint64(&l.Seq) || !s.CopyBytes(l.Previous[:]) ||
		!s.ReadUint64(&l.Issued) || !s.ReadUint16LengthPrefixed(&certificates) || !s.CopyBytes(l.signature[:]) {
		return nil, fmt.Errorf("%w: device list is cut short", ErrMalformed)
	}
	if len(certificates) > MaxDevices*CertificateSize {
		return nil, fmt.Errorf("%w: more than %d devices", ErrMalformed, MaxDevices)
	}
	for !certificates.Empty() {
		c := new(Certificate)
		if err := c.read(&certificates); err != nil {
			return nil, err
		}
		l.Certificates = append(l.Certificates, c)
	}
	return &l, nil
}

// checkFields checks what needs no signature, cheap things first: a forged list
// costs its reader little.
func (l *DeviceList) checkFields() error {
	if err := checkEd25519(l.Account); err != nil {
		return fmt.Errorf("device list account: %w", err)
	}
	if l.Seq == 0 || (l.Seq == 1) != (l.Previous == ListHash{}) {
		return fmt.Errorf("%w: number and predecessor of a device list do not agree", ErrMalformed)
	}
	if n := len(l.Certificates); n < 1 || n > MaxDevices {
		return fmt.Errorf("%w: %d devices, not 1 to %d", ErrMalformed, n, MaxDevices)
	}
	seen := make(map[IdentityKey]bool, len(l.Certificates))
	for i, c := range l.Certificates {
		if c.Account != l.Account {
			return fmt.Errorf("%w: certificate of another account in a device list", ErrForged)
		}
		if i > 0 && bytes.Compare(l.Certificates[i-1].Device[:], c.Device[:]) >= 0 {
			return fmt.Errorf("%w: devices are not in strictly ascending order", ErrMalformed)
		}
		if seen[c.IdentityKey] {
			return fmt.Errorf("%w: two devices share an identity key", ErrMalformed)
		}
		seen[c.IdentityKey] = true
	}
	return nil
}
