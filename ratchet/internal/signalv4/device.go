package signalv4

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrUnknown: a message that names keys or a session which are not there.
var ErrUnknown = errors.New("signalv4: no such prekey or session")

// Device is a party: its keys and its sessions, one for each peer by name. Names
// are what libsignal calls them, so that addresses can be told. A failed method
// changes nothing.
type Device struct {
	Name       string
	DeviceID   uint8
	Options    Options
	Identity   KeyPair
	Signed     map[uint32]KeyPair
	OneTime    map[uint32]KeyPair
	KEM        map[uint32]*KEMKeyPair
	Peers      map[string]PublicKey // the identity a name has, once known
	Sessions   map[string]*Session
	lastSigned uint32
}

// NewDevice draws an identity.
func NewDevice(name string, o Options) (*Device, error) {
	identity, err := NewKeyPair()
	if err != nil {
		return nil, err
	}
	return &Device{
		Name: name, DeviceID: 1, Options: o, Identity: identity,
		Signed: map[uint32]KeyPair{}, OneTime: map[uint32]KeyPair{}, KEM: map[uint32]*KEMKeyPair{},
		Peers: map[string]PublicKey{}, Sessions: map[string]*Session{},
	}, nil
}

// NewBundle draws new prekeys, with or without one for a single use.
func (d *Device) NewBundle(oneTime bool) (*Bundle, error) {
	d.lastSigned++
	id := d.lastSigned
	signed, err := NewKeyPair()
	if err != nil {
		return nil, err
	}
	kem := NewKEMKeyPair()
	b := &Bundle{
		RegistrationID: d.Options.Registration, Identity: d.Identity.Public,
		SignedPreKeyID: 100 + id, SignedPreKey: signed.Public,
		SignedPreKeySignature: SignKey(&d.Identity, signed.Public.Append(nil)),
		KEMPreKeyID:           200 + id, KEMPreKey: kem.Public[:],
		KEMPreKeySignature: SignKey(&d.Identity, kem.Public[:]),
	}
	d.Signed[b.SignedPreKeyID], d.KEM[b.KEMPreKeyID] = signed, kem
	if oneTime {
		key, err := NewKeyPair()
		if err != nil {
			return nil, err
		}
		b.HasPreKey, b.PreKeyID, b.PreKey = true, 300+id, key.Public
		d.OneTime[b.PreKeyID] = key
	}
	return b, nil
}

// Start begins a session with the owner of a bundle.
func (d *Device) Start(peer string, b *Bundle) error {
	i, err := Initiate(&d.Identity, b)
	if err != nil {
		return err
	}
	s, err := NewInitiator(i, d.Options, &b.SignedPreKey)
	if err != nil {
		return err
	}
	d.Peers[peer], d.Sessions[peer] = b.Identity, s
	return nil
}

// Seal encrypts a message for a peer.
func (d *Device) Seal(peer string, plaintext []byte) (Kind, []byte, error) {
	s := d.Sessions[peer]
	if s == nil {
		return 0, nil, ErrUnknown
	}
	next, kind, msg, err := s.Seal(plaintext, addresses(d.Name, peer, d.DeviceID))
	if err != nil {
		return 0, nil, err
	}
	d.Sessions[peer] = next
	return kind, msg, nil
}

// Open decrypts a message of a peer. A first message begins a session, unless
// there is one of the same handshake.
func (d *Device) Open(peer string, kind Kind, msg []byte, now time.Time) ([]byte, error) {
	from := addresses(peer, d.Name, d.DeviceID)
	s := d.Sessions[peer]
	if kind == KindMessage {
		if s == nil {
			return nil, ErrUnknown
		}
		next, plaintext, err := s.Open(msg, from, now)
		if err != nil {
			return nil, err
		}
		d.Sessions[peer] = next
		return plaintext, nil
	}
	m, err := ParsePreKeyMessage(msg)
	if err != nil {
		return nil, err
	}
	if known, ok := d.Peers[peer]; ok && known != m.IdentityKey {
		return nil, ErrKey
	}
	if s == nil || s.BaseKey() != m.BaseKey {
		if s, err = d.respond(m); err != nil {
			return nil, err
		}
	}
	next, plaintext, err := s.Open(m.Message, from, now)
	if err != nil {
		return nil, err
	}
	d.Peers[peer], d.Sessions[peer] = m.IdentityKey, next
	delete(d.OneTime, m.PreKeyID) // not before the message inside has opened
	return plaintext, nil
}

func (d *Device) respond(m *PreKeyMessage) (*Session, error) {
	signed, ok := d.Signed[m.SignedPreKeyID]
	kem := d.KEM[m.KEMPreKeyID]
	if !ok || kem == nil {
		return nil, ErrUnknown
	}
	keys := &PreKeys{Identity: d.Identity, Signed: signed, KEM: kem}
	if m.HasPreKey {
		k, ok := d.OneTime[m.PreKeyID]
		if !ok {
			return nil, ErrUnknown
		}
		keys.OneTime = &k
	}
	secrets, err := Accept(keys, m)
	if err != nil {
		return nil, err
	}
	defer secrets.Wipe()
	return NewResponder(secrets, d.Options, &signed, m.BaseKey)
}

// State returns all that a message can change, to be compared.
func (d *Device) State(peer string) []byte {
	var b bytes.Buffer
	if s := d.Sessions[peer]; s != nil {
		b.Write(s.State())
	}
	k := d.Peers[peer]
	b.Write(k[:])
	fmt.Fprint(&b, len(d.OneTime), len(d.Sessions), len(d.Peers))
	return b.Bytes()
}

// addresses returns those of two service ids, sender first, or nil if the names
// are not both UUIDs.
func addresses(sender, recipient string, device uint8) []byte {
	var b []byte
	for _, name := range []string{sender, recipient} {
		id, err := hex.DecodeString(strings.ReplaceAll(name, "-", ""))
		if err != nil || len(id) != 16 || len(name) != 36 {
			return nil
		}
		b = append(b, 0) // an ACI
		b = append(b, id...)
		b = append(b, device)
	}
	return b
}
