package identity

import (
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

const (
	certificateVersion = 1

	labelAcceptance  = "kith v1 identity device-acceptance"
	labelCertificate = "kith v1 identity device-certificate"
)

// Capabilities is a set of bits that say what a device can do. This version defines
// none; unknown bits are kept and ignored.
type Capabilities uint32

// Terms are what a device asks its account to certify besides its keys.
type Terms struct {
	Capabilities Capabilities
	Created      uint64 // Unix seconds
	Expires      uint64 // Unix seconds, later than Created; 0 for never
}

// Request is a device's signed wish to belong to an account. Obtain it from
// [Device.Request] or [ParseRequest]. The device's signature keeps an account from
// claiming a device that is not its own.
type Request struct {
	Account     AccountID
	Device      DeviceID
	IdentityKey IdentityKey
	Terms
	acceptance [signatureSize]byte
}

// Certificate is an account's statement that a device speaks for it. Obtain it from
// [Account.Certify] or [ParseCertificate], both of which return verified ones only.
// Treat it as read-only; a changed one fails verification at the next reader.
type Certificate struct {
	Request
	signature [signatureSize]byte
}

// Request asks account to certify this device. It returns ErrMalformed when the
// terms or the account break a rule of the format.
func (d *Device) Request(account AccountID, terms Terms) (*Request, error) {
	r := &Request{Account: account, Device: d.ID(), IdentityKey: d.IdentityKey(), Terms: terms}
	r.acceptance = sign(d.keys.reveal().signing, labelAcceptance, r.body())
	if err := r.verify(); err != nil {
		return nil, err
	}
	return r, nil
}

// Certify signs a device's request. The caller has made sure that the device is the
// user's own. It returns ErrForged for a request to another account.
func (a *Account) Certify(r *Request) (*Certificate, error) {
	if r.Account != a.ID() {
		return nil, fmt.Errorf("%w: certificate request to another account", ErrForged)
	}
	c := &Certificate{Request: *r}
	c.signature = sign(a.private(), labelCertificate, c.Request.encoded())
	if err := c.verify(); err != nil {
		return nil, err
	}
	return c, nil
}

// Expired reports whether the certificate has run out at now. Whether Created lies
// in the future is not looked at: clocks differ.
func (c *Certificate) Expired(now time.Time) bool {
	return c.Expires != 0 && unixSeconds(now) >= c.Expires
}

// ParseRequest reads and verifies a request of exactly RequestSize bytes. Errors:
// ErrMalformed, ErrVersion, ErrForged.
func ParseRequest(b []byte) (*Request, error) {
	s := cryptobyte.String(b)
	var r Request
	if err := r.read(&s); err != nil {
		return nil, err
	}
	if !s.Empty() {
		return nil, fmt.Errorf("%w: bytes after the certificate request", ErrMalformed)
	}
	if err := r.verify(); err != nil {
		return nil, err
	}
	return &r, nil
}

// AppendBinary appends the RequestSize bytes that ParseRequest reads. It never fails.
func (r *Request) AppendBinary(b []byte) ([]byte, error) { return append(b, r.encoded()...), nil }

// ParseCertificate reads and verifies a certificate of exactly CertificateSize
// bytes. Errors: ErrMalformed, ErrVersion, ErrForged.
func ParseCertificate(b []byte) (*Certificate, error) {
	s := cryptobyte.String(b)
	var c Certificate
	if err := c.read(&s); err != nil {
		return nil, err
	}
	if !s.Empty() {
		return nil, fmt.Errorf("%w: bytes after the certificate", ErrMalformed)
	}
	if err := c.verify(); err != nil {
		return nil, err
	}
	return &c, nil
}

// AppendBinary appends the CertificateSize bytes that ParseCertificate reads. It
// never fails.
func (c *Certificate) AppendBinary(b []byte) ([]byte, error) {
	return append(append(b, c.Request.encoded()...), c.signature[:]...), nil
}

// body is what the device signs.
func (r *Request) body() []byte {
	b := cryptobyte.NewFixedBuilder(make([]byte, 0, RequestSize))
	b.AddUint8(certificateVersion)
	b.AddBytes(r.Account[:])
	b.AddBytes(r.Device[:])
	b.AddBytes(r.IdentityKey[:])
	b.AddUint32(uint32(r.Capabilities))
	b.AddUint64(r.Created)
	b.AddUint64(r.Expires)
	return b.BytesOrPanic()
}

// encoded is the body with the device's signature: what the account signs.
func (r *Request) encoded() []byte { return append(r.body(), r.acceptance[:]...) }

func (r *Request) read(s *cryptobyte.String) error {
	var version uint8
	if !s.ReadUint8(&version) {
		return fmt.Errorf("%w: empty certificate", ErrMalformed)
	}
	if version != certificateVersion {
		return fmt.Errorf("%w: certificate %d", ErrVersion, version)
	}
	if !s.CopyBytes(r.Account[:]) || !s.CopyBytes(r.Device[:]) || !s.CopyBytes(r.IdentityKey[:]) ||
		!s.ReadUint32((*uint32)(&r.Capabilities)) || !s.ReadUint64(&r.Created) || !s.ReadUint64(&r.Expires) ||
		!s.CopyBytes(r.acceptance[:]) {
		return fmt.Errorf("%w: certificate is cut short", ErrMalformed)
	}
	return nil
}

func (c *Certificate) read(s *cryptobyte.String) error {
	if err := c.Request.read(s); err != nil {
		return err
	}
	if !s.CopyBytes(c.signature[:]) {
		return fmt.Errorf("%w: certificate is cut short", ErrMalformed)
	}
	return nil
}

func (r *Request) verify() error {
	if err := checkEd25519(r.Account); err != nil {
		return fmt.Errorf("certificate account: %w", err)
	}
	if err := checkEd25519(r.Device); err != nil {
		return fmt.Errorf("certificate device: %w", err)
	}
	if err := r.IdentityKey.Check(); err != nil {
		return fmt.Errorf("certificate identity key: %w", err)
	}
	if [keySize]byte(r.Account) == [keySize]byte(r.Device) {
		return fmt.Errorf("%w: account key used as device key", ErrMalformed)
	}
	if r.Expires != 0 && r.Expires <= r.Created {
		return fmt.Errorf("%w: certificate expires before it begins", ErrMalformed)
	}
	if !verify(r.Device, labelAcceptance, r.body(), r.acceptance) {
		return fmt.Errorf("%w: device signature of a certificate", ErrForged)
	}
	return nil
}

func (c *Certificate) verify() error {
	if err := c.Request.verify(); err != nil {
		return err
	}
	if !verify(c.Account, labelCertificate, c.Request.encoded(), c.signature) {
		return fmt.Errorf("%w: account signature of a certificate", ErrForged)
	}
	return nil
}

// unixSeconds is the time on the format's scale; a time before 1970 counts as 1970.
func unixSeconds(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }
