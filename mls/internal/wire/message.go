package wire

import (
	"encoding/binary"

	"kith/mls/internal/rule"
)

// PublicMessage is a message that is signed and not encrypted.
type PublicMessage struct {
	Content       *FramedContent
	Auth          Auth
	MembershipTag []byte // of members only
}

// Append encodes p behind b.
func (p *PublicMessage) Append(b []byte) []byte {
	b = p.Content.Append(b)
	b = p.Auth.AppendFor(b, p.Content.Type)
	if p.Content.Sender.Type == SenderMember {
		b = AppendOpaque(b, p.MembershipTag)
	}
	return b
}

func (r *Reader) publicMessage() *PublicMessage {
	p := &PublicMessage{Content: r.framedContent()}
	p.Auth = r.Auth(p.Content.Type)
	if p.Content.Sender.Type == SenderMember {
		p.MembershipTag = r.Opaque()
	}
	return p
}

// PrivateMessage is a message that is signed and encrypted.
type PrivateMessage struct {
	GroupID    []byte
	Epoch      uint64
	Type       ContentType
	Data       []byte // authenticated_data, which anybody can read
	SenderData []byte
	Ciphertext []byte
}

// Append encodes p behind b.
func (p *PrivateMessage) Append(b []byte) []byte {
	return AppendOpaque(AppendOpaque(p.AAD(b), p.SenderData), p.Ciphertext)
}

// AAD encodes PrivateContentAAD behind b.
func (p *PrivateMessage) AAD(b []byte) []byte { return AppendOpaque(p.SenderAAD(b), p.Data) }

// SenderAAD encodes SenderDataAAD behind b.
func (p *PrivateMessage) SenderAAD(b []byte) []byte {
	b = AppendOpaque(b, p.GroupID)
	b = binary.BigEndian.AppendUint64(b, p.Epoch)
	return append(b, byte(p.Type))
}

func (r *Reader) privateMessage() *PrivateMessage {
	p := &PrivateMessage{
		GroupID: r.Opaque(), Epoch: r.Uint64(), Type: ContentType(r.uint8()),
		Data: r.Opaque(), SenderData: r.Opaque(), Ciphertext: r.Opaque(),
	}
	if r.err == nil && (p.Type < ContentApplication || p.Type > ContentCommit) {
		r.fail(rule.Encoding, "content type")
	}
	return p
}

// GroupSecrets is what a welcome seals to one new member.
type GroupSecrets struct {
	JoinerSecret []byte
	PathSecret   []byte // counts if HasPath
	HasPath      bool
	PSKs         []*PSKID
}

// Append encodes s behind b.
func (s *GroupSecrets) Append(b []byte) []byte {
	b = AppendOpaque(b, s.JoinerSecret)
	if s.HasPath {
		b = AppendOpaque(append(b, 1), s.PathSecret)
	} else {
		b = append(b, 0)
	}
	return AppendVector(b, s.PSKs, appendEncoder[*PSKID])
}

// GroupSecrets reads GroupSecrets.
func (r *Reader) GroupSecrets() *GroupSecrets {
	s := &GroupSecrets{JoinerSecret: r.Opaque()}
	if s.HasPath = r.optional(); s.HasPath {
		s.PathSecret = r.Opaque()
	}
	s.PSKs = Vector(r, (*Reader).PSKID)
	return s
}

// EncryptedGroupSecrets is the part of a welcome for one new member.
type EncryptedGroupSecrets struct {
	NewMember []byte // KeyPackageRef
	Secrets   HPKECiphertext
}

// Welcome brings new members into a group.
type Welcome struct {
	Suite     uint16
	Secrets   []EncryptedGroupSecrets
	GroupInfo []byte // encrypted
}

// Append encodes w behind b.
func (w *Welcome) Append(b []byte) []byte {
	b = appendUint16(b, w.Suite)
	b = AppendVector(b, w.Secrets, func(b []byte, s EncryptedGroupSecrets) []byte {
		return s.Secrets.append(AppendOpaque(b, s.NewMember))
	})
	return AppendOpaque(b, w.GroupInfo)
}

func (r *Reader) welcome() *Welcome {
	return &Welcome{Suite: r.Uint16(), Secrets: Vector(r, func(r *Reader) EncryptedGroupSecrets {
		return EncryptedGroupSecrets{r.Opaque(), r.hpkeCiphertext()}
	}), GroupInfo: r.Opaque()}
}

// GroupInfo describes an epoch to somebody who is about to join.
type GroupInfo struct {
	Context         GroupContext
	Extensions      []Extension
	ConfirmationTag []byte
	Signer          uint32
	Signature       []byte
}

// TBS returns GroupInfoTBS, what the signature is over.
func (g *GroupInfo) TBS() []byte {
	b := g.Context.Append(nil)
	b = AppendExtensions(b, g.Extensions)
	b = AppendOpaque(b, g.ConfirmationTag)
	return appendUint32(b, g.Signer)
}

// Append encodes g behind b.
func (g *GroupInfo) Append(b []byte) []byte { return AppendOpaque(append(b, g.TBS()...), g.Signature) }

// GroupInfo reads a GroupInfo.
func (r *Reader) GroupInfo() *GroupInfo {
	return &GroupInfo{r.GroupContext(), r.Extensions(), r.Opaque(), r.Uint32(), r.Opaque()}
}

// MaxMessage bounds an encoded MLSMessage: a welcome of ten thousand members of a
// hybrid suite has 38 MB.
const MaxMessage = 64 << 20

// Message is an MLSMessage. The field that belongs to Format is set.
type Message struct {
	Format     uint16
	Public     *PublicMessage
	Private    *PrivateMessage
	Welcome    *Welcome
	GroupInfo  *GroupInfo
	KeyPackage *KeyPackage
}

// Append encodes m behind b.
func (m *Message) Append(b []byte) []byte {
	b = appendUint16(appendUint16(b, MLS10), m.Format)
	switch m.Format {
	case FormatPublic:
		return m.Public.Append(b)
	case FormatPrivate:
		return m.Private.Append(b)
	case FormatWelcome:
		return m.Welcome.Append(b)
	case FormatGroupInfo:
		return m.GroupInfo.Append(b)
	case FormatKeyPackage:
		return m.KeyPackage.Append(b)
	}
	return b
}

// ParseMessage reads an MLSMessage that is all of b.
func ParseMessage(b []byte) (*Message, error) {
	if len(b) > MaxMessage {
		return nil, rule.Break(rule.TooLong)
	}
	r := NewReader(b)
	if v := r.Uint16(); r.err == nil && v != MLS10 {
		return nil, rule.Break(rule.Version)
	}
	m := &Message{Format: r.Uint16()}
	switch m.Format {
	case FormatPublic:
		m.Public = r.publicMessage()
	case FormatPrivate:
		m.Private = r.privateMessage()
	case FormatWelcome:
		m.Welcome = r.welcome()
	case FormatGroupInfo:
		m.GroupInfo = r.GroupInfo()
	case FormatKeyPackage:
		m.KeyPackage = r.KeyPackage()
	default:
		if r.err == nil {
			return nil, rule.Break(rule.WireFormat)
		}
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	return m, nil
}
