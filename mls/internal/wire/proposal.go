package wire

import (
	"encoding/binary"

	"kith/mls/internal/rule"
)

// Proposal types of the IANA registry that RFC 9420 defines; all are default.
const (
	ProposalAdd          uint16 = 1
	ProposalUpdate       uint16 = 2
	ProposalRemove       uint16 = 3
	ProposalPSK          uint16 = 4
	ProposalReInit       uint16 = 5
	ProposalExternalInit uint16 = 6
	ProposalExtensions   uint16 = 7
)

// DefaultProposal reports whether a proposal type is supported by definition.
func DefaultProposal(t uint16) bool { return t >= 1 && t <= 7 }

// Proposal is one change to a group. The field that belongs to Type is set.
type Proposal struct {
	Type       uint16
	KeyPackage *KeyPackage // add
	Leaf       *LeafNode   // update
	Removed    uint32      // remove
	PSK        *PSKID      // psk
	ReInit     *ReInit     // reinit
	KEMOutput  []byte      // external_init
	Extensions []Extension // group_context_extensions
}

// ReInit announces the group that replaces this one.
type ReInit struct {
	GroupID    []byte
	Version    uint16
	Suite      uint16
	Extensions []Extension
}

// Append encodes i behind b.
func (i *ReInit) Append(b []byte) []byte {
	b = AppendOpaque(b, i.GroupID)
	b = appendUint16(b, i.Version)
	b = appendUint16(b, i.Suite)
	return AppendExtensions(b, i.Extensions)
}

// ReInit reads a ReInit.
func (r *Reader) ReInit() *ReInit {
	return &ReInit{GroupID: r.Opaque(), Version: r.Uint16(), Suite: r.Uint16(), Extensions: r.Extensions()}
}

// AppendBody encodes the proposal without its type behind b.
func (p *Proposal) AppendBody(b []byte) []byte {
	switch p.Type {
	case ProposalAdd:
		return p.KeyPackage.Append(b)
	case ProposalUpdate:
		return p.Leaf.Append(b)
	case ProposalRemove:
		return appendUint32(b, p.Removed)
	case ProposalPSK:
		return p.PSK.Append(b)
	case ProposalReInit:
		return p.ReInit.Append(b)
	case ProposalExternalInit:
		return AppendOpaque(b, p.KEMOutput)
	case ProposalExtensions:
		return AppendExtensions(b, p.Extensions)
	}
	return b
}

// Append encodes p behind b.
func (p *Proposal) Append(b []byte) []byte { return p.AppendBody(appendUint16(b, p.Type)) }

// Proposal reads a Proposal. One of an unknown type has no length and cannot be
// read; groups agree on types first, so it breaks ProposalSupport.
func (r *Reader) Proposal() *Proposal { return r.ProposalBody(r.Uint16()) }

// ProposalBody reads a proposal of this type, the type itself being absent.
func (r *Reader) ProposalBody(t uint16) *Proposal {
	p := &Proposal{Type: t}
	switch p.Type {
	case ProposalAdd:
		p.KeyPackage = r.KeyPackage()
	case ProposalUpdate:
		p.Leaf = r.LeafNode()
	case ProposalRemove:
		p.Removed = r.Uint32()
	case ProposalPSK:
		p.PSK = r.PSKID()
	case ProposalReInit:
		p.ReInit = r.ReInit()
	case ProposalExternalInit:
		p.KEMOutput = r.Opaque()
	case ProposalExtensions:
		p.Extensions = r.Extensions()
	default:
		r.fail(rule.ProposalSupport, "unknown type")
	}
	return p
}

// PSK types and usages of resumption keys (section 8.4).
const (
	PSKExternal   uint8 = 1
	PSKResumption uint8 = 2

	UsageApplication uint8 = 1
	UsageReInit      uint8 = 2
	UsageBranch      uint8 = 3
)

// PSKID names a pre-shared key and one use of it.
type PSKID struct {
	Type    uint8
	ID      []byte // external
	Usage   uint8  // resumption, as the next two
	GroupID []byte
	Epoch   uint64
	Nonce   []byte
}

// Append encodes p behind b.
func (p *PSKID) Append(b []byte) []byte {
	b = append(b, p.Type)
	if p.Type == PSKResumption {
		b = AppendOpaque(append(b, p.Usage), p.GroupID)
		b = binary.BigEndian.AppendUint64(b, p.Epoch)
	} else {
		b = AppendOpaque(b, p.ID)
	}
	return AppendOpaque(b, p.Nonce)
}

// PSKID reads a PreSharedKeyID.
func (r *Reader) PSKID() *PSKID {
	p := &PSKID{Type: r.uint8()}
	switch p.Type {
	case PSKExternal:
		p.ID = r.Opaque()
	case PSKResumption:
		if p.Usage = r.uint8(); p.Usage < UsageApplication || p.Usage > UsageBranch {
			r.fail(rule.Encoding, "usage of a resumption key")
		}
		p.GroupID, p.Epoch = r.Opaque(), r.Uint64()
	default:
		r.fail(rule.Encoding, "type of a pre-shared key")
	}
	p.Nonce = r.Opaque()
	return p
}

// ProposalOrRef is an element of a commit: a proposal, or the reference of one
// that was sent before.
type ProposalOrRef struct {
	Proposal *Proposal
	Ref      []byte // if Proposal is nil
}

func (p ProposalOrRef) append(b []byte) []byte {
	if p.Proposal != nil {
		return p.Proposal.Append(append(b, 1))
	}
	return AppendOpaque(append(b, 2), p.Ref)
}

func (r *Reader) proposalOrRef() (p ProposalOrRef) {
	switch r.uint8() {
	case 1:
		p.Proposal = r.Proposal()
	case 2:
		p.Ref = r.Opaque()
	default:
		r.fail(rule.Encoding, "neither proposal nor reference")
	}
	return p
}

// HPKECiphertext is what EncryptWithLabel makes.
type HPKECiphertext struct{ KEMOutput, Ciphertext []byte }

func (c HPKECiphertext) append(b []byte) []byte {
	return AppendOpaque(AppendOpaque(b, c.KEMOutput), c.Ciphertext)
}

func (r *Reader) hpkeCiphertext() HPKECiphertext { return HPKECiphertext{r.Opaque(), r.Opaque()} }

// UpdatePathNode is one new key of a path and its secret, sealed to the keys
// below the other child.
type UpdatePathNode struct {
	EncryptionKey []byte
	Secrets       []HPKECiphertext
}

// UpdatePath gives the committer's leaf and the nodes above it new keys.
type UpdatePath struct {
	Leaf  *LeafNode
	Nodes []UpdatePathNode
}

// Append encodes p behind b.
func (p *UpdatePath) Append(b []byte) []byte {
	b = p.Leaf.Append(b)
	return AppendVector(b, p.Nodes, func(b []byte, n UpdatePathNode) []byte {
		return AppendVector(AppendOpaque(b, n.EncryptionKey), n.Secrets, func(b []byte, c HPKECiphertext) []byte { return c.append(b) })
	})
}

// UpdatePath reads an UpdatePath.
func (r *Reader) UpdatePath() *UpdatePath {
	return &UpdatePath{Leaf: r.LeafNode(), Nodes: Vector(r, func(r *Reader) UpdatePathNode {
		return UpdatePathNode{r.Opaque(), Vector(r, (*Reader).hpkeCiphertext)}
	})}
}

// Commit begins an epoch.
type Commit struct {
	Proposals []ProposalOrRef
	Path      *UpdatePath // nil if there is none
}

// Append encodes c behind b.
func (c *Commit) Append(b []byte) []byte {
	b = AppendVector(b, c.Proposals, func(b []byte, p ProposalOrRef) []byte { return p.append(b) })
	if c.Path == nil {
		return append(b, 0)
	}
	return c.Path.Append(append(b, 1))
}

// Commit reads a Commit.
func (r *Reader) Commit() *Commit {
	c := &Commit{Proposals: Vector(r, (*Reader).proposalOrRef)}
	if r.optional() {
		c.Path = r.UpdatePath()
	}
	return c
}
