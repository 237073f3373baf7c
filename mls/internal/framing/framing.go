// Package framing protects messages and unprotects them: RFC 9420 section 6. It
// knows keys and bytes; who may send what is decided elsewhere.
package framing

import (
	"crypto"
	"crypto/rand"
	"encoding/binary"

	"kith/mls/internal/rule"
	"kith/mls/internal/schedule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

// Sign returns the content signed for a wire format (section 6.1). context is the
// encoded GroupContext, which counts for senders who have it.
func Sign(s *suite.Suite, signer crypto.Signer, format uint16, content *wire.FramedContent, context []byte) (*wire.AuthenticatedContent, error) {
	a := &wire.AuthenticatedContent{Format: format, Content: content}
	signature, err := s.Sign(signer, "FramedContentTBS", a.TBS(context))
	a.Auth.Signature = signature
	return a, err
}

// Verify reports whether the signature of a is by this key.
func Verify(s *suite.Suite, key []byte, a *wire.AuthenticatedContent, context []byte) bool {
	return s.Verify(key, "FramedContentTBS", a.TBS(context), a.Auth.Signature)
}

// Public frames signed content as a PublicMessage (section 6.2).
func Public(s *suite.Suite, a *wire.AuthenticatedContent, membershipKey, context []byte) (*wire.PublicMessage, error) {
	if a.Content.Type == wire.ContentApplication {
		return nil, rule.AsLocal(rule.Break(rule.PublicData))
	}
	p := &wire.PublicMessage{Content: a.Content, Auth: a.Auth}
	if a.Content.Sender.Type == wire.SenderMember {
		p.MembershipTag = s.MAC(membershipKey, membershipInput(a, context))
	}
	return p, nil
}

func membershipInput(a *wire.AuthenticatedContent, context []byte) []byte {
	return a.Auth.AppendFor(a.TBS(context), a.Content.Type)
}

// OpenPublic checks the membership tag of a PublicMessage and returns its content,
// the signature of which is not verified yet.
func OpenPublic(s *suite.Suite, p *wire.PublicMessage, membershipKey, context []byte) (*wire.AuthenticatedContent, error) {
	if p.Content.Type == wire.ContentApplication {
		return nil, rule.Break(rule.PublicData)
	}
	a := &wire.AuthenticatedContent{Format: wire.FormatPublic, Content: p.Content, Auth: p.Auth}
	if p.Content.Sender.Type == wire.SenderMember && !s.VerifyMAC(membershipKey, membershipInput(a, context), p.MembershipTag) {
		return nil, rule.Break(rule.MembershipTag)
	}
	return a, nil
}

const (
	guardSize      = 4
	senderDataSize = 4 + 4 + guardSize
)

// Private frames a member's signed content as a PrivateMessage (section 6.3) with
// this many bytes of padding.
func Private(s *suite.Suite, a *wire.AuthenticatedContent, senderSecret []byte, keys schedule.Keys, generation uint32, padding int) *wire.PrivateMessage {
	c := a.Content
	p := &wire.PrivateMessage{GroupID: c.GroupID, Epoch: c.Epoch, Type: c.Type, Data: c.Data}
	plaintext := c.AppendBody(make([]byte, 0, 256+len(c.Application)+padding))
	plaintext = a.Auth.AppendFor(plaintext, c.Type)
	plaintext = append(plaintext, make([]byte, padding)...)

	data := binary.BigEndian.AppendUint32(make([]byte, 0, senderDataSize), c.Sender.Index)
	data = binary.BigEndian.AppendUint32(data, generation)
	data = data[:senderDataSize]
	guard := data[senderDataSize-guardSize:]
	rand.Read(guard)
	p.Ciphertext = s.Seal(keys.Key, guarded(keys.Nonce, guard), plaintext, p.AAD(nil))
	clear(plaintext)
	key, nonce := senderKeys(s, senderSecret, p.Ciphertext)
	p.SenderData = s.Seal(key, nonce, data, p.SenderAAD(nil))
	return p
}

// guarded returns the nonce with the reuse guard in it.
func guarded(nonce, guard []byte) []byte {
	n := append([]byte(nil), nonce...)
	for i, g := range guard {
		n[i] ^= g
	}
	return n
}

func senderKeys(s *suite.Suite, secret, ciphertext []byte) (key, nonce []byte) {
	sample := ciphertext[:min(len(ciphertext), s.Nh)]
	return s.ExpandWithLabel(secret, "key", sample, s.Nk), s.ExpandWithLabel(secret, "nonce", sample, s.Nn)
}

// SenderKeys returns key and nonce of the sender data beside a ciphertext.
func SenderKeys(s *suite.Suite, secret, ciphertext []byte) (key, nonce []byte) {
	return senderKeys(s, secret, ciphertext)
}

// OpenPrivate decrypts a PrivateMessage. sender returns an error unless the member
// at a leaf may have sent it. The signature is not verified yet, and the secret tree not changed: the
// caller applies the step when all is well.
func OpenPrivate(s *suite.Suite, p *wire.PrivateMessage, senderSecret []byte, secrets *schedule.SecretTree, sender func(leaf uint32) error) (*wire.AuthenticatedContent, *schedule.Step, error) {
	key, nonce := senderKeys(s, senderSecret, p.Ciphertext)
	data, ok := s.Open(key, nonce, p.SenderData, p.SenderAAD(nil))
	if !ok || len(data) != senderDataSize {
		return nil, nil, rule.Break(rule.DoesNotOpen)
	}
	leaf, generation := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
	if err := sender(leaf); err != nil {
		return nil, nil, err
	}
	kind := schedule.Handshake
	if p.Type == wire.ContentApplication {
		kind = schedule.Application
	}
	step, err := secrets.Take(leaf, kind, generation)
	if err != nil {
		return nil, nil, err
	}
	plaintext, ok := s.Open(step.Keys.Key, guarded(step.Keys.Nonce, data[8:]), p.Ciphertext, p.AAD(nil))
	if !ok {
		return nil, nil, rule.Break(rule.DoesNotOpen)
	}
	c := &wire.FramedContent{
		GroupID: p.GroupID, Epoch: p.Epoch, Data: p.Data, Type: p.Type,
		Sender: wire.Sender{Type: wire.SenderMember, Index: leaf},
	}
	r := wire.NewReader(plaintext)
	r.Body(c)
	a := &wire.AuthenticatedContent{Format: wire.FormatPrivate, Content: c, Auth: r.Auth(c.Type)}
	if r.Err() != nil {
		return nil, nil, r.Err()
	}
	for _, b := range r.Rest() {
		if b != 0 {
			return nil, nil, rule.Break(rule.Padding)
		}
	}
	return a, step, nil
}
