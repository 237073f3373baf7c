package wire

import (
	"encoding/binary"
	"slices"

	"kith/mls/internal/rule"
)

// MLS10 is the protocol version of RFC 9420.
const MLS10 uint16 = 1

// Credential types of the IANA registry.
const (
	CredentialBasic uint16 = 1
	CredentialX509  uint16 = 2
)

// Credential says who a member is. Types other than x509 carry one opaque
// string, as basic does; whether a group takes them is decided elsewhere.
type Credential struct {
	Type         uint16
	Identity     []byte   // of all types but x509
	Certificates [][]byte // DER, end entity first; x509 only
}

// Append encodes c behind b.
func (c *Credential) Append(b []byte) []byte {
	b = appendUint16(b, c.Type)
	if c.Type == CredentialX509 {
		return AppendVector(b, c.Certificates, AppendOpaque[[]byte])
	}
	return AppendOpaque(b, c.Identity)
}

// Credential reads a Credential.
func (r *Reader) Credential() Credential {
	c := Credential{Type: r.Uint16()}
	if c.Type == CredentialX509 {
		c.Certificates = Vector(r, (*Reader).Opaque)
	} else {
		c.Identity = r.Opaque()
	}
	return c
}

// Extension types of the IANA registry that RFC 9420 defines; all are default,
// which capabilities do not list.
const (
	ExtensionApplicationID        uint16 = 1
	ExtensionRatchetTree          uint16 = 2
	ExtensionRequiredCapabilities uint16 = 3
	ExtensionExternalPub          uint16 = 4
	ExtensionExternalSenders      uint16 = 5
)

// DefaultExtension reports whether an extension type is supported by definition.
func DefaultExtension(t uint16) bool { return t >= 1 && t <= 5 }

// Extension is one element of a list of extensions.
type Extension struct {
	Type uint16
	Data []byte
}

func appendExtension(b []byte, e Extension) []byte {
	return AppendOpaque(appendUint16(b, e.Type), e.Data)
}

// AppendExtensions encodes a list of extensions behind b.
func AppendExtensions(b []byte, list []Extension) []byte {
	return AppendVector(b, list, appendExtension)
}

// Extensions reads a list of extensions, in which no type is twice.
func (r *Reader) Extensions() []Extension {
	list := Vector(r, func(r *Reader) Extension { return Extension{r.Uint16(), r.Opaque()} })
	if ExtensionTwice(list) {
		r.fail(rule.ExtensionTwice, "")
		return nil
	}
	return list
}

// ExtensionTwice reports whether a type is in the list more often than once.
func ExtensionTwice(list []Extension) bool {
	if len(list) < 2 {
		return false
	}
	seen := make(map[uint16]bool, len(list))
	for _, e := range list {
		if seen[e.Type] {
			return true
		}
		seen[e.Type] = true
	}
	return false
}

// FindExtension returns the data of the extension of this type.
func FindExtension(list []Extension, t uint16) (data []byte, ok bool) {
	for i := range list {
		if list[i].Type == t {
			return list[i].Data, true
		}
	}
	return nil, false
}

// Capabilities lists what a client supports beyond what is default.
type Capabilities struct {
	Versions, Suites, Extensions, Proposals, Credentials []uint16
}

// Append encodes c behind b.
func (c *Capabilities) Append(b []byte) []byte {
	for _, list := range [...][]uint16{c.Versions, c.Suites, c.Extensions, c.Proposals, c.Credentials} {
		b = AppendLength(b, 2*len(list))
		for _, v := range list {
			b = appendUint16(b, v)
		}
	}
	return b
}

// SupportsExtension reports whether c lists an extension type or it is default.
func (c *Capabilities) SupportsExtension(t uint16) bool {
	return DefaultExtension(t) || slices.Contains(c.Extensions, t)
}

// SupportsProposal reports whether c lists a proposal type or it is default.
func (c *Capabilities) SupportsProposal(t uint16) bool {
	return DefaultProposal(t) || slices.Contains(c.Proposals, t)
}

func (r *Reader) capabilities() Capabilities {
	return Capabilities{Versions: r.Uint16s(), Suites: r.Uint16s(), Extensions: r.Uint16s(), Proposals: r.Uint16s(), Credentials: r.Uint16s()}
}

// Uint16s reads a vector of numbers of two bytes.
func (r *Reader) Uint16s() []uint16 {
	b := r.Opaque()
	if len(b)%2 != 0 {
		r.fail(rule.Encoding, "odd list of numbers")
	}
	if len(b) == 0 || r.err != nil {
		return nil
	}
	v := make([]uint16, len(b)/2)
	for i := range v {
		v[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return v
}

// LeafSource says how a leaf node came to be.
type LeafSource uint8

// The sources of section 7.2.
const (
	SourceKeyPackage LeafSource = 1
	SourceUpdate     LeafSource = 2
	SourceCommit     LeafSource = 3
)

// LeafNode is one member's appearance in a group. It is never changed once it is
// in a tree, so that trees can share it.
type LeafNode struct {
	EncryptionKey []byte
	SignatureKey  []byte
	Credential    Credential
	Capabilities  Capabilities
	Source        LeafSource
	NotBefore     uint64 // seconds since 1970; SourceKeyPackage only
	NotAfter      uint64
	ParentHash    []byte // SourceCommit only
	Extensions    []Extension
	Signature     []byte
}

func (l *LeafNode) appendUnsigned(b []byte) []byte {
	b = AppendOpaque(b, l.EncryptionKey)
	b = AppendOpaque(b, l.SignatureKey)
	b = l.Credential.Append(b)
	b = l.Capabilities.Append(b)
	b = append(b, byte(l.Source))
	switch l.Source {
	case SourceKeyPackage:
		b = binary.BigEndian.AppendUint64(b, l.NotBefore)
		b = binary.BigEndian.AppendUint64(b, l.NotAfter)
	case SourceCommit:
		b = AppendOpaque(b, l.ParentHash)
	}
	return AppendExtensions(b, l.Extensions)
}

// Append encodes l behind b.
func (l *LeafNode) Append(b []byte) []byte {
	return AppendOpaque(l.appendUnsigned(b), l.Signature)
}

// TBS returns LeafNodeTBS, what the signature is over. Group and index count
// for leaf nodes that were made in a group.
func (l *LeafNode) TBS(groupID []byte, index uint32) []byte {
	b := l.appendUnsigned(make([]byte, 0, 512))
	if l.Source != SourceKeyPackage {
		b = AppendOpaque(b, groupID)
		b = appendUint32(b, index)
	}
	return b
}

// LeafNode reads a LeafNode.
func (r *Reader) LeafNode() *LeafNode {
	l := &LeafNode{
		EncryptionKey: r.Opaque(), SignatureKey: r.Opaque(),
		Credential: r.Credential(), Capabilities: r.capabilities(), Source: LeafSource(r.uint8()),
	}
	switch l.Source {
	case SourceKeyPackage:
		l.NotBefore, l.NotAfter = r.Uint64(), r.Uint64()
	case SourceUpdate:
	case SourceCommit:
		l.ParentHash = r.Opaque()
	default:
		r.fail(rule.Encoding, "leaf node source")
	}
	l.Extensions = r.Extensions()
	l.Signature = r.Opaque()
	return l
}

// ParentNode is an inner node of the ratchet tree that is not blank. Once in a
// tree that is shared it is never changed.
type ParentNode struct {
	EncryptionKey  []byte
	ParentHash     []byte
	UnmergedLeaves []uint32
}

// Append encodes p behind b.
func (p *ParentNode) Append(b []byte) []byte {
	b = AppendOpaque(b, p.EncryptionKey)
	b = AppendOpaque(b, p.ParentHash)
	b = AppendLength(b, 4*len(p.UnmergedLeaves))
	for _, leaf := range p.UnmergedLeaves {
		b = appendUint32(b, leaf)
	}
	return b
}

// ParentNode reads a ParentNode.
func (r *Reader) ParentNode() *ParentNode {
	p := &ParentNode{EncryptionKey: r.Opaque(), ParentHash: r.Opaque()}
	b := r.Opaque()
	if len(b)%4 != 0 {
		r.fail(rule.Encoding, "odd list of leaves")
		return p
	}
	for ; len(b) > 0; b = b[4:] {
		p.UnmergedLeaves = append(p.UnmergedLeaves, binary.BigEndian.Uint32(b))
	}
	return p
}

// Node is one element of a ratchet tree at rest: blank, a leaf, or a parent.
type Node struct {
	Leaf   *LeafNode
	Parent *ParentNode
}

// RatchetTree is the extension of section 12.4.3.3, nodes from left to right.
type RatchetTree []Node

// Append encodes t behind b.
func (t RatchetTree) Append(b []byte) []byte {
	return AppendVector(b, t, func(b []byte, n Node) []byte {
		switch {
		case n.Leaf != nil:
			return n.Leaf.Append(append(b, 1, 1))
		case n.Parent != nil:
			return n.Parent.Append(append(b, 1, 2))
		}
		return append(b, 0)
	})
}

// RatchetTree reads a RatchetTree. Whether it has the shape of a tree is decided
// elsewhere.
func (r *Reader) RatchetTree() RatchetTree {
	return Vector(r, func(r *Reader) (n Node) {
		if !r.optional() {
			return n
		}
		switch r.uint8() {
		case 1:
			n.Leaf = r.LeafNode()
		case 2:
			n.Parent = r.ParentNode()
		default:
			r.fail(rule.Encoding, "node type")
		}
		return n
	})
}
