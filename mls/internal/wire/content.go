package wire

import (
	"encoding/binary"

	"kith/mls/internal/rule"
)

// Wire formats of the IANA registry.
const (
	FormatPublic     uint16 = 1
	FormatPrivate    uint16 = 2
	FormatWelcome    uint16 = 3
	FormatGroupInfo  uint16 = 4
	FormatKeyPackage uint16 = 5
)

// ContentType says what is framed.
type ContentType uint8

// The content types of section 6.
const (
	ContentApplication ContentType = 1
	ContentProposal    ContentType = 2
	ContentCommit      ContentType = 3
)

// SenderType says what kind of party sent something.
type SenderType uint8

// The sender types of section 6.
const (
	SenderMember            SenderType = 1
	SenderExternal          SenderType = 2
	SenderNewMemberProposal SenderType = 3
	SenderNewMemberCommit   SenderType = 4
)

// Sender is who sent something. Index is a leaf or an external sender's place.
type Sender struct {
	Type  SenderType
	Index uint32
}

func (s Sender) append(b []byte) []byte {
	b = append(b, byte(s.Type))
	if s.Type == SenderMember || s.Type == SenderExternal {
		b = appendUint32(b, s.Index)
	}
	return b
}

func (r *Reader) sender() Sender {
	s := Sender{Type: SenderType(r.uint8())}
	switch s.Type {
	case SenderMember, SenderExternal:
		s.Index = r.Uint32()
	case SenderNewMemberProposal, SenderNewMemberCommit:
	default:
		r.fail(rule.Encoding, "sender type")
	}
	return s
}

// GroupContext is what the members of an epoch agree on.
type GroupContext struct {
	Version             uint16
	Suite               uint16
	GroupID             []byte
	Epoch               uint64
	TreeHash            []byte
	ConfirmedTranscript []byte
	Extensions          []Extension
}

// Append encodes c behind b.
func (c *GroupContext) Append(b []byte) []byte {
	b = appendUint16(b, c.Version)
	b = appendUint16(b, c.Suite)
	b = AppendOpaque(b, c.GroupID)
	b = binary.BigEndian.AppendUint64(b, c.Epoch)
	b = AppendOpaque(b, c.TreeHash)
	b = AppendOpaque(b, c.ConfirmedTranscript)
	return AppendExtensions(b, c.Extensions)
}

// GroupContext reads a GroupContext.
func (r *Reader) GroupContext() GroupContext {
	return GroupContext{r.Uint16(), r.Uint16(), r.Opaque(), r.Uint64(), r.Opaque(), r.Opaque(), r.Extensions()}
}

// FramedContent is a message before it is protected. The field that belongs to
// Type is set.
type FramedContent struct {
	GroupID     []byte
	Epoch       uint64
	Sender      Sender
	Data        []byte // authenticated_data
	Type        ContentType
	Application []byte
	Proposal    *Proposal
	Commit      *Commit
}

// Append encodes c behind b.
func (c *FramedContent) Append(b []byte) []byte {
	b = AppendOpaque(b, c.GroupID)
	b = binary.BigEndian.AppendUint64(b, c.Epoch)
	b = c.Sender.append(b)
	b = AppendOpaque(b, c.Data)
	return c.AppendBody(append(b, byte(c.Type)))
}

// AppendBody encodes the content proper behind b.
func (c *FramedContent) AppendBody(b []byte) []byte {
	switch c.Type {
	case ContentApplication:
		return AppendOpaque(b, c.Application)
	case ContentProposal:
		return c.Proposal.Append(b)
	case ContentCommit:
		return c.Commit.Append(b)
	}
	return b
}

func (r *Reader) framedContent() *FramedContent {
	c := &FramedContent{GroupID: r.Opaque(), Epoch: r.Uint64(), Sender: r.sender(), Data: r.Opaque(), Type: ContentType(r.uint8())}
	r.Body(c)
	return c
}

// Body reads the content that c.Type says into c.
func (r *Reader) Body(c *FramedContent) {
	switch c.Type {
	case ContentApplication:
		c.Application = r.Opaque()
	case ContentProposal:
		c.Proposal = r.Proposal()
	case ContentCommit:
		c.Commit = r.Commit()
	default:
		r.fail(rule.Encoding, "content type")
	}
}

// Auth is FramedContentAuthData. The tag is of commits only.
type Auth struct{ Signature, ConfirmationTag []byte }

// AppendFor encodes a behind b, as it is for this type of content.
func (a *Auth) AppendFor(b []byte, t ContentType) []byte {
	b = AppendOpaque(b, a.Signature)
	if t == ContentCommit {
		b = AppendOpaque(b, a.ConfirmationTag)
	}
	return b
}

// Auth reads FramedContentAuthData of this type of content.
func (r *Reader) Auth(t ContentType) Auth {
	a := Auth{Signature: r.Opaque()}
	if t == ContentCommit {
		a.ConfirmationTag = r.Opaque()
	}
	return a
}

// AuthenticatedContent is a message with its signature, before it is protected
// or after it was unprotected.
type AuthenticatedContent struct {
	Format  uint16
	Content *FramedContent
	Auth    Auth
}

// Append encodes a behind b.
func (a *AuthenticatedContent) Append(b []byte) []byte {
	b = a.Content.Append(appendUint16(b, a.Format))
	return a.Auth.AppendFor(b, a.Content.Type)
}

// AuthenticatedContent reads an AuthenticatedContent.
func (r *Reader) AuthenticatedContent() *AuthenticatedContent {
	a := &AuthenticatedContent{Format: r.Uint16(), Content: r.framedContent()}
	a.Auth = r.Auth(a.Content.Type)
	return a
}

// TBS returns FramedContentTBS, what the signature is over. The context counts
// for senders who have it.
func (a *AuthenticatedContent) TBS(context []byte) []byte {
	b := make([]byte, 0, 512+len(context))
	b = appendUint16(b, MLS10)
	b = appendUint16(b, a.Format)
	b = a.Content.Append(b)
	if t := a.Content.Sender.Type; t == SenderMember || t == SenderNewMemberCommit {
		b = append(b, context...)
	}
	return b
}
