package main

import (
	"fmt"
	"time"

	"kith/mls"
	"kith/mls/internal/wire"
)

type passiveClient struct {
	Suite         uint16 `json:"cipher_suite"`
	ExternalPSKs  []psk  `json:"external_psks"`
	KeyPackage    octets `json:"key_package"`
	SignaturePriv octets `json:"signature_priv"`
	EncryptionKey octets `json:"encryption_priv"`
	InitKey       octets `json:"init_priv"`
	Welcome       octets
	Tree          octets `json:"ratchet_tree"`
	Authenticator octets `json:"initial_epoch_authenticator"`
	Epochs        []struct {
		Proposals     []octets
		Commit        octets
		Authenticator octets `json:"epoch_authenticator"`
	}
}

type psk struct {
	ID  octets `json:"psk_id"`
	PSK octets
}

// client returns the client of a case. It supports whatever its key package says.
func (v *passiveClient) client() (*mls.Client, error) {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return nil, err
	}
	m, err := wire.ParseMessage(v.KeyPackage)
	if err != nil {
		return nil, err
	}
	if m.KeyPackage == nil {
		return nil, fmt.Errorf("wire format %d, want a key package", m.Format)
	}
	signer, err := s.NewSigner(v.SignaturePriv)
	if err != nil {
		return nil, err
	}
	leaf := m.KeyPackage.Leaf
	c := &mls.Client{Suite: mls.Suite(v.Suite), Signer: signer, MaxLifetime: mls.AnyLifetime, PSK: v.psk}
	c.Authenticate = func(mls.Member, *mls.Member) error { return nil }
	c.Credential = mls.Credential{Type: leaf.Credential.Type, Identity: leaf.Credential.Identity, Certificates: leaf.Credential.Certificates}
	c.Capabilities = mls.Capabilities{Extensions: leaf.Capabilities.Extensions, Credentials: leaf.Capabilities.Credentials}
	return c, nil
}

func (v *passiveClient) psk(id []byte) ([]byte, bool) {
	for _, p := range v.ExternalPSKs {
		if string(p.ID) == string(id) {
			return p.PSK, true
		}
	}
	return nil, false
}

func verifyPassiveClient(v *passiveClient) error {
	c, err := v.client()
	if err != nil {
		return err
	}
	k, err := mls.ImportKeyPackage(v.KeyPackage, v.InitKey, v.EncryptionKey)
	if err != nil {
		return err
	}
	g, err := c.Join(v.Welcome, k, mls.JoinOptions{Tree: v.Tree})
	if err != nil {
		return err
	}
	if err := expect("initial authenticator", g.Authenticator(), v.Authenticator); err != nil {
		return err
	}
	for i, e := range v.Epochs {
		for _, p := range e.Proposals {
			if _, err := g.Process(p, time.Time{}); err != nil {
				return fmt.Errorf("epoch %d: proposal: %w", i, err)
			}
		}
		if err := follow(g, e.Commit); err != nil {
			return fmt.Errorf("epoch %d: %w", i, err)
		}
		if err := expect("authenticator", g.Authenticator(), e.Authenticator); err != nil {
			return fmt.Errorf("epoch %d: %w", i, err)
		}
	}
	return nil
}

func follow(g *mls.Group, commit []byte) error {
	p, err := g.Process(commit, time.Time{})
	if err != nil {
		return err
	}
	staged, ok := p.(*mls.StagedCommit)
	if !ok {
		return fmt.Errorf("%T is no commit", p)
	}
	return g.Merge(staged)
}
