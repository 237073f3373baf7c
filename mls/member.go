package mls

import (
	"bytes"
	"slices"

	"kith/mls/internal/wire"
)

// Credential types of the IANA registry.
const (
	CredentialBasic = wire.CredentialBasic
	CredentialX509  = wire.CredentialX509
)

// Credential says who a member is. This package does not judge it but for its
// form; see Client.Authenticate.
type Credential struct {
	Type         uint16
	Identity     []byte   // of every type but CredentialX509
	Certificates [][]byte // of CredentialX509: DER, end entity first
}

// BasicCredential returns a credential that is a bare claim of an identity.
func BasicCredential(identity []byte) Credential {
	return Credential{Type: CredentialBasic, Identity: slices.Clone(identity)}
}

func (c Credential) wire() wire.Credential {
	return wire.Credential{Type: c.Type, Identity: bytes.Clone(c.Identity), Certificates: cloneAll(c.Certificates)}
}

func (c Credential) encoded() []byte {
	w := c.wire()
	return wire.Marshal(&w)
}

func credential(c *wire.Credential) Credential {
	return Credential{Type: c.Type, Identity: bytes.Clone(c.Identity), Certificates: cloneAll(c.Certificates)}
}

func cloneAll(list [][]byte) (out [][]byte) {
	for _, b := range list {
		out = append(out, bytes.Clone(b))
	}
	return out
}

// Extension is an element of a list of extensions. No type may be twice in one.
type Extension struct {
	Type uint16
	Data []byte
}

// Extension types that this package interprets.
const (
	ExtensionRequiredCapabilities = wire.ExtensionRequiredCapabilities
	ExtensionExternalSenders      = wire.ExtensionExternalSenders
	ExtensionApplicationID        = wire.ExtensionApplicationID
)

func extensions(list []wire.Extension) (out []Extension) {
	for _, e := range list {
		out = append(out, Extension{e.Type, bytes.Clone(e.Data)})
	}
	return out
}

func wireExtensions(list []Extension) (out []wire.Extension) {
	for _, e := range list {
		out = append(out, wire.Extension{Type: e.Type, Data: bytes.Clone(e.Data)})
	}
	return out
}

// RequiredCapabilities returns the extension that makes a group refuse clients
// who do not list these types (section 11.1).
func RequiredCapabilities(extensions, proposals, credentials []uint16) Extension {
	r := requirements{extensions, proposals, credentials}
	return Extension{ExtensionRequiredCapabilities, r.append(nil)}
}

// ExternalSenders returns the extension that lets outsiders propose (section
// 12.1.8.1). Each is a Client, of whom the suite, the credential and the public
// half of the signing key count.
func ExternalSenders(senders ...*Client) (Extension, error) {
	var list []externalSender
	for _, c := range senders {
		impl, err := c.Suite.impl()
		if err != nil {
			return Extension{}, err
		}
		key, err := impl.SignatureKey(c.Signer)
		if err != nil {
			return Extension{}, err
		}
		list = append(list, externalSender{key, c.Credential.wire()})
	}
	return Extension{ExtensionExternalSenders, wire.AppendVector(nil, list, appendExternalSender)}, nil
}

// Capabilities lists what a client supports beyond what every client does.
type Capabilities struct {
	Extensions  []uint16 // extension types; the caller interprets them
	Credentials []uint16 // credential types; CredentialBasic is always listed
	Suites      []Suite  // other suites; the client's own is always listed
}

// Member is one leaf of a group, as all members see it.
type Member struct {
	Leaf         uint32 // index, stable while the member stays
	Credential   Credential
	SignatureKey []byte
	Extensions   []Extension // of the leaf node
}

func member(index uint32, l *wire.LeafNode) Member {
	return Member{index, credential(&l.Credential), bytes.Clone(l.SignatureKey), extensions(l.Extensions)}
}
