package mls

import (
	"bytes"
	"crypto"
	"slices"
	"time"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

// Client is who acts in groups: an identity, the key that signs for it, and what
// this package has to ask the application. Fill it in and do not change it while
// groups use it. The functions are called during calls of this package only; any
// of them may be nil.
type Client struct {
	Suite      Suite
	Credential Credential
	// Signer signs; its public key is that of the credential. Any implementation
	// will do, so the key may live elsewhere.
	Signer crypto.Signer
	// Capabilities and Extensions of the leaf nodes this client makes.
	Capabilities Capabilities
	Extensions   []Extension
	// MaxLifetime is the longest lifetime of a key package that is accepted, 0 for
	// DefaultMaxLifetime.
	MaxLifetime time.Duration

	// Authenticate is the Authentication Service of RFC 9420: it returns an error
	// unless the credential may use the signature key. old is the leaf that the new
	// one replaces, or nil. Without it newcomers are accepted whoever they say they
	// are, so look at StagedCommit before merging, and nobody may change a
	// credential; whoever takes a member's place by an external commit must have its
	// signature key, too.
	Authenticate func(m Member, old *Member) error
	// PSK returns an external pre-shared key.
	PSK func(id []byte) (secret []byte, ok bool)
	// Resumption returns the resumption key of an epoch of another group, or of one
	// that this group has forgotten; see Group.ResumptionKey.
	Resumption func(groupID []byte, epoch uint64) (secret []byte, ok bool)
	// InUse reports whether the client is in a group of this id, which then cannot be
	// joined again.
	InUse func(groupID []byte) bool
}

func (c *Client) impl() (*suite.Suite, []byte, error) {
	impl, err := c.Suite.impl()
	if err != nil {
		return nil, nil, err
	}
	key, err := impl.SignatureKey(c.Signer)
	if err != nil {
		return nil, nil, rule.Breakf(rule.SignerKey, "of another suite")
	}
	return impl, key, nil
}

// self is impl for a client that is about to appear in a leaf node, after checking
// what every peer would refuse.
func (c *Client) self() (*suite.Suite, []byte, error) {
	impl, key, err := c.impl()
	if err != nil {
		return nil, nil, err
	}
	if wire.ExtensionTwice(wireExtensions(c.Extensions)) {
		return nil, nil, rule.AsLocal(rule.Breakf(rule.ExtensionTwice, "of the client"))
	}
	if c.Credential.Type == CredentialX509 && !certifies(c.Credential.Certificates, key) {
		return nil, nil, rule.AsLocal(rule.Break(rule.CertificateKey))
	}
	return impl, key, nil
}

// longest returns the longest lifetime that is accepted.
func (c *Client) longest() time.Duration {
	if c.MaxLifetime == 0 {
		return DefaultMaxLifetime
	}
	return c.MaxLifetime
}

func (c *Client) authenticate(m Member, old *Member) error {
	if c.Authenticate == nil {
		if old != nil && !bytes.Equal(m.Credential.encoded(), old.Credential.encoded()) {
			return rule.Breakf(rule.Authentication, "another credential")
		}
		return nil
	}
	if err := c.Authenticate(m, old); err != nil {
		return rule.Refuse(rule.Authentication, err)
	}
	return nil
}

// replaces is authenticate for an external commit in the place of a member, which that
// member's old key has not signed.
func (c *Client) replaces(m Member, old *Member) error {
	if c.Authenticate == nil && !bytes.Equal(m.SignatureKey, old.SignatureKey) {
		return rule.Breakf(rule.Authentication, "another signature key")
	}
	return c.authenticate(m, old)
}

// capabilities returns what the client's leaf nodes list.
func (c *Client) capabilities() wire.Capabilities {
	caps := wire.Capabilities{Versions: []uint16{wire.MLS10}, Suites: []uint16{uint16(c.Suite)}}
	for _, s := range c.Capabilities.Suites {
		if s != c.Suite {
			caps.Suites = append(caps.Suites, uint16(s))
		}
	}
	caps.Extensions = slices.DeleteFunc(slices.Clone(c.Capabilities.Extensions), wire.DefaultExtension)
	for _, e := range c.Extensions {
		if !caps.SupportsExtension(e.Type) {
			caps.Extensions = append(caps.Extensions, e.Type)
		}
	}
	caps.Credentials = []uint16{CredentialBasic}
	for _, t := range append(slices.Clone(c.Capabilities.Credentials), c.Credential.Type) {
		if !slices.Contains(caps.Credentials, t) {
			caps.Credentials = append(caps.Credentials, t)
		}
	}
	return caps
}

// leaf returns an unsigned leaf node of the client.
func (c *Client) leaf(source wire.LeafSource, encryptionKey, signatureKey []byte) *wire.LeafNode {
	return &wire.LeafNode{
		EncryptionKey: encryptionKey, SignatureKey: signatureKey, Credential: c.Credential.wire(),
		Capabilities: c.capabilities(), Source: source, Extensions: wireExtensions(c.Extensions),
	}
}

func signLeaf(s *suite.Suite, signer crypto.Signer, l *wire.LeafNode, groupID []byte, index uint32) error {
	signature, err := s.Sign(signer, "LeafNodeTBS", l.TBS(groupID, index))
	l.Signature = signature
	return err
}
