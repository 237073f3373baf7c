package mls

import (
	"bytes"
	"time"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

// KeyPackage is what a client publishes to be added to one group (section 10).
// It is never changed.
type KeyPackage struct {
	suite *suite.Suite
	kp    *wire.KeyPackage
	ref   []byte
}

// ParseKeyPackage reads an MLSMessage with a key package and checks all that can
// be checked outside a group: form, keys, signatures, lifetime against now (not at
// all if now is the zero time) and the length of the lifetime against c.
func (c *Client) ParseKeyPackage(message []byte, now time.Time) (*KeyPackage, error) {
	m, err := wire.ParseMessage(bytes.Clone(message))
	if err != nil {
		return nil, err
	}
	if m.KeyPackage == nil {
		return nil, rule.Break(rule.WireFormat)
	}
	s, ok := suite.ByID(m.KeyPackage.Suite)
	if !ok {
		return nil, rule.Breakf(rule.KeyPackageSuite, "unknown suite")
	}
	v := &validator{client: c, suite: s, now: now}
	if err := v.keyPackage(m.KeyPackage); err != nil {
		return nil, err
	}
	return newKeyPackage(s, m.KeyPackage), nil
}

func newKeyPackage(s *suite.Suite, kp *wire.KeyPackage) *KeyPackage {
	return &KeyPackage{s, kp, s.KeyPackageRef(wire.Marshal(kp))}
}

// Message returns the key package as an MLSMessage.
func (k *KeyPackage) Message() []byte {
	return wire.Marshal(&wire.Message{Format: wire.FormatKeyPackage, KeyPackage: k.kp})
}

// Ref returns the reference that names the key package in a Welcome.
func (k *KeyPackage) Ref() []byte { return bytes.Clone(k.ref) }

// Suite returns the suite of the groups the key package is for.
func (k *KeyPackage) Suite() Suite { return Suite(k.suite.ID) }

// Member returns the client as it will appear in a group; its Leaf means nothing.
func (k *KeyPackage) Member() Member { return member(0, k.kp.Leaf) }

// Lifetime returns when the key package may be used.
func (k *KeyPackage) Lifetime() (notBefore, notAfter time.Time) {
	return unix(k.kp.Leaf.NotBefore), unix(k.kp.Leaf.NotAfter)
}

func unix(seconds uint64) time.Time { return time.Unix(int64(min(seconds, 1<<62)), 0) }

// PrivateKeyPackage is a key package with its private keys. Keep it until a
// Welcome for it came, then Wipe it: it is for one group.
type PrivateKeyPackage struct {
	*KeyPackage
	initKey, leafKey *suite.PrivateKey
}

// NewKeyPackage makes a key package that may be used between two times.
func (c *Client) NewKeyPackage(notBefore, notAfter time.Time) (*PrivateKeyPackage, error) {
	s, signatureKey, err := c.self()
	if err != nil {
		return nil, err
	}
	if notBefore.Unix() < 0 || !notAfter.After(notBefore) {
		return nil, errArgument("lifetime ends before it begins")
	}
	initKey, err := s.GenerateKey()
	if err != nil {
		return nil, err
	}
	leafKey, err := s.GenerateKey()
	if err != nil {
		return nil, err
	}
	leaf := c.leaf(wire.SourceKeyPackage, leafKey.Public(), signatureKey)
	leaf.NotBefore, leaf.NotAfter = uint64(notBefore.Unix()), uint64(notAfter.Unix())
	if err := signLeaf(s, c.Signer, leaf, nil, 0); err != nil {
		return nil, err
	}
	kp := &wire.KeyPackage{Version: wire.MLS10, Suite: s.ID, InitKey: initKey.Public(), Leaf: leaf}
	if kp.Signature, err = s.Sign(c.Signer, "KeyPackageTBS", kp.TBS()); err != nil {
		return nil, err
	}
	return &PrivateKeyPackage{newKeyPackage(s, kp), initKey, leafKey}, nil
}

// ImportKeyPackage joins a key package, as an MLSMessage, with its private keys in
// HPKE's serialisation. A key that is not the package's is a SignerKey breach.
func ImportKeyPackage(message, initKey, leafKey []byte) (*PrivateKeyPackage, error) {
	m, err := wire.ParseMessage(bytes.Clone(message))
	if err != nil {
		return nil, err
	}
	if m.KeyPackage == nil {
		return nil, rule.Break(rule.WireFormat)
	}
	s, ok := suite.ByID(m.KeyPackage.Suite)
	if !ok {
		return nil, rule.Breakf(rule.KeyPackageSuite, "unknown suite")
	}
	p := &PrivateKeyPackage{KeyPackage: newKeyPackage(s, m.KeyPackage)}
	if p.initKey, err = s.NewPrivateKey(initKey); err != nil {
		return nil, rule.Breakf(rule.SignerKey, "init key")
	}
	if p.leafKey, err = s.NewPrivateKey(leafKey); err != nil {
		return nil, rule.Breakf(rule.SignerKey, "leaf key")
	}
	if !bytes.Equal(p.initKey.Public(), p.kp.InitKey) || !bytes.Equal(p.leafKey.Public(), p.kp.Leaf.EncryptionKey) {
		return nil, rule.Breakf(rule.SignerKey, "key package")
	}
	return p, nil
}

const keyPackageVersion = 1

// MarshalBinary returns the key package with its private keys.
func (p *PrivateKeyPackage) MarshalBinary() ([]byte, error) {
	b := []byte{keyPackageVersion}
	for _, part := range [][]byte{p.Message(), p.initKey.Bytes(), p.leafKey.Bytes()} {
		b = wire.AppendOpaque(b, part)
	}
	return b, nil
}

// ParsePrivateKeyPackage reads what MarshalBinary wrote.
func ParsePrivateKeyPackage(b []byte) (*PrivateKeyPackage, error) {
	r := wire.NewStateReader(b)
	version := r.Uint8()
	message, initKey, leafKey := r.Opaque(), r.Opaque(), r.Opaque()
	if r.Done() != nil || version != keyPackageVersion {
		return nil, ErrState
	}
	p, err := ImportKeyPackage(message, initKey, leafKey)
	if err != nil || !bytes.Equal(p.initKey.Bytes(), initKey) || !bytes.Equal(p.leafKey.Bytes(), leafKey) {
		return nil, ErrState
	}
	return p, nil
}

// Wipe erases the private init key. The leaf key belongs to the group that was
// joined with it.
func (p *PrivateKeyPackage) Wipe() { p.initKey.Wipe() }
