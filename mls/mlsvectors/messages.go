package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"kith/mls/internal/framing"
	"kith/mls/internal/schedule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

type deserialization struct {
	Header octets `json:"vlbytes_header"`
	Length int
}

func verifyDeserialization(v *deserialization) error {
	r := wire.NewReader(v.Header)
	n := r.Length()
	if err := r.Done(); err != nil {
		return err
	}
	if n != v.Length {
		return fmt.Errorf("length is %d, want %d", n, v.Length)
	}
	return expect("header", wire.AppendLength(nil, n), v.Header)
}

// message returns a decoder of an MLSMessage of one wire format and, for public
// messages, content type.
func message(format uint16, content wire.ContentType) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		m, err := wire.ParseMessage(b)
		if err != nil {
			return nil, err
		}
		if m.Format != format || content != 0 && m.Public.Content.Type != content {
			return nil, errors.New("another kind of message")
		}
		return wire.Marshal(m), nil
	}
}

// object returns a decoder of something that reads itself.
func object[T wire.Encoder](read func(*wire.Reader) T) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		r := wire.NewReader(b)
		v := read(r)
		if err := r.Done(); err != nil {
			return nil, err
		}
		return wire.Marshal(v), nil
	}
}

// body returns a decoder of a proposal without its type.
func body(t uint16) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		r := wire.NewReader(b)
		p := r.ProposalBody(t)
		if err := r.Done(); err != nil {
			return nil, err
		}
		return p.AppendBody(nil), nil
	}
}

var codecs = map[string]func([]byte) ([]byte, error){
	"mls_welcome":                       message(wire.FormatWelcome, 0),
	"mls_group_info":                    message(wire.FormatGroupInfo, 0),
	"mls_key_package":                   message(wire.FormatKeyPackage, 0),
	"ratchet_tree":                      object((*wire.Reader).RatchetTree),
	"group_secrets":                     object((*wire.Reader).GroupSecrets),
	"add_proposal":                      body(wire.ProposalAdd),
	"update_proposal":                   body(wire.ProposalUpdate),
	"remove_proposal":                   body(wire.ProposalRemove),
	"pre_shared_key_proposal":           body(wire.ProposalPSK),
	"re_init_proposal":                  body(wire.ProposalReInit),
	"external_init_proposal":            body(wire.ProposalExternalInit),
	"group_context_extensions_proposal": body(wire.ProposalExtensions),
	"commit":                            object((*wire.Reader).Commit),
	"public_message_application":        message(wire.FormatPublic, wire.ContentApplication),
	"public_message_proposal":           message(wire.FormatPublic, wire.ContentProposal),
	"public_message_commit":             message(wire.FormatPublic, wire.ContentCommit),
	"private_message":                   message(wire.FormatPrivate, 0),
}

func verifyMessages(raw json.RawMessage) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(codecs)) {
		value, ok := fields[name]
		if !ok {
			continue
		}
		var encoded octets
		if err := json.Unmarshal(value, &encoded); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		again, err := codecs[name](encoded)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := expect(name, again, encoded); err != nil {
			return err
		}
	}
	return nil
}

type messageProtection struct {
	Suite           uint16 `json:"cipher_suite"`
	GroupID         octets `json:"group_id"`
	Epoch           uint64
	TreeHash        octets `json:"tree_hash"`
	Confirmed       octets `json:"confirmed_transcript_hash"`
	SignaturePriv   octets `json:"signature_priv"`
	SignaturePub    octets `json:"signature_pub"`
	Encryption      octets `json:"encryption_secret"`
	SenderData      octets `json:"sender_data_secret"`
	MembershipKey   octets `json:"membership_key"`
	Proposal        octets
	ProposalPub     octets `json:"proposal_pub"`
	ProposalPriv    octets `json:"proposal_priv"`
	Commit          octets
	CommitPub       octets `json:"commit_pub"`
	CommitPriv      octets `json:"commit_priv"`
	Application     octets
	ApplicationPriv octets `json:"application_priv"`
}

func verifyMessageProtection(v *messageProtection) error {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return err
	}
	context := wire.Marshal(&wire.GroupContext{
		Version: wire.MLS10, Suite: v.Suite, GroupID: v.GroupID, Epoch: v.Epoch, TreeHash: v.TreeHash, ConfirmedTranscript: v.Confirmed,
	})
	for _, c := range []struct {
		name              string
		kind              wire.ContentType
		raw, public, priv octets
	}{
		{"proposal", wire.ContentProposal, v.Proposal, v.ProposalPub, v.ProposalPriv},
		{"commit", wire.ContentCommit, v.Commit, v.CommitPub, v.CommitPriv},
		{"application", wire.ContentApplication, v.Application, nil, v.ApplicationPriv},
	} {
		p := &protection{v, s, context, c.kind, c.raw}
		if err := errors.Join(p.verifyPrivate(c.priv), p.verifyPublic(c.public)); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// protection is one kind of content of a message-protection case.
type protection struct {
	v       *messageProtection
	suite   *suite.Suite
	context []byte
	kind    wire.ContentType
	raw     []byte
}

func (p *protection) check(a *wire.AuthenticatedContent) error {
	if !framing.Verify(p.suite, p.v.SignaturePub, a, p.context) {
		return errors.New("signature does not verify")
	}
	got := a.Content.AppendBody(nil)
	if p.kind == wire.ContentApplication {
		got = a.Content.Application
	}
	return expect("content", got, p.raw)
}

func (p *protection) openPrivate(b []byte) error {
	m, err := wire.ParseMessage(b)
	if err != nil {
		return err
	}
	if m.Private == nil {
		return errors.New("no private message")
	}
	t := schedule.NewSecretTree(p.suite, 2, append([]byte(nil), p.v.Encryption...))
	a, _, err := framing.OpenPrivate(p.suite, m.Private, p.v.SenderData, t, func(leaf uint32) error {
		if leaf != 1 {
			return errors.New("sender is not leaf 1")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.check(a)
}

func (p *protection) openPublic(b []byte) error {
	m, err := wire.ParseMessage(b)
	if err != nil {
		return err
	}
	if m.Public == nil {
		return errors.New("no public message")
	}
	a, err := framing.OpenPublic(p.suite, m.Public, p.v.MembershipKey, p.context)
	if err != nil {
		return err
	}
	return p.check(a)
}

// signed returns the raw value as the member of leaf 1 sends it.
func (p *protection) signed(format uint16) (*wire.AuthenticatedContent, error) {
	c := &wire.FramedContent{GroupID: p.v.GroupID, Epoch: p.v.Epoch, Sender: wire.Sender{Type: wire.SenderMember, Index: 1}, Type: p.kind}
	if p.kind == wire.ContentApplication {
		c.Application = p.raw
	} else {
		r := wire.NewReader(p.raw)
		r.Body(c)
		if err := r.Done(); err != nil {
			return nil, err
		}
	}
	signer, err := p.suite.NewSigner(p.v.SignaturePriv)
	if err != nil {
		return nil, err
	}
	a, err := framing.Sign(p.suite, signer, format, c, p.context)
	if err == nil && p.kind == wire.ContentCommit {
		a.Auth.ConfirmationTag = make([]byte, p.suite.Nh)
	}
	return a, err
}

func (p *protection) verifyPrivate(b []byte) error {
	if err := p.openPrivate(b); err != nil {
		return fmt.Errorf("private: %w", err)
	}
	a, err := p.signed(wire.FormatPrivate)
	if err != nil {
		return err
	}
	kind := schedule.Handshake
	if p.kind == wire.ContentApplication {
		kind = schedule.Application
	}
	t := schedule.NewSecretTree(p.suite, 2, append([]byte(nil), p.v.Encryption...))
	step, err := t.Take(1, kind, 0)
	if err != nil {
		return err
	}
	m := &wire.Message{Format: wire.FormatPrivate, Private: framing.Private(p.suite, a, p.v.SenderData, step.Keys, 0, 10)}
	if err := p.openPrivate(wire.Marshal(m)); err != nil {
		return fmt.Errorf("own private: %w", err)
	}
	return nil
}

func (p *protection) verifyPublic(b []byte) error {
	a, err := p.signed(wire.FormatPublic)
	if err != nil {
		return err
	}
	own, err := framing.Public(p.suite, a, p.v.MembershipKey, p.context)
	if p.kind == wire.ContentApplication {
		if err == nil {
			return errors.New("application data was framed as a public message")
		}
		return nil
	}
	if err != nil {
		return err
	}
	if err := p.openPublic(wire.Marshal(&wire.Message{Format: wire.FormatPublic, Public: own})); err != nil {
		return fmt.Errorf("own public: %w", err)
	}
	if err := p.openPublic(b); err != nil {
		return fmt.Errorf("public: %w", err)
	}
	return nil
}

type welcome struct {
	Suite      uint16 `json:"cipher_suite"`
	InitPriv   octets `json:"init_priv"`
	SignerPub  octets `json:"signer_pub"`
	KeyPackage octets `json:"key_package"`
	Welcome    octets
}

func verifyWelcome(v *welcome) error {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return err
	}
	kp, err := wire.ParseMessage(v.KeyPackage)
	if err != nil {
		return err
	}
	m, err := wire.ParseMessage(v.Welcome)
	if err != nil {
		return err
	}
	if kp.KeyPackage == nil || m.Welcome == nil {
		return errors.New("another kind of message")
	}
	priv, err := s.NewPrivateKey(v.InitPriv)
	if err != nil {
		return err
	}
	secrets, err := schedule.OpenSecrets(s, m.Welcome, s.KeyPackageRef(wire.Marshal(kp.KeyPackage)), priv)
	if err != nil {
		return err
	}
	psk := make([]byte, s.Nh)
	info, err := schedule.OpenGroupInfo(s, m.Welcome, secrets.JoinerSecret, psk)
	if err != nil {
		return err
	}
	if !s.Verify(v.SignerPub, "GroupInfoTBS", info.TBS(), info.Signature) {
		return errors.New("signature of the group info does not verify")
	}
	epoch, _ := schedule.FromJoiner(s, secrets.JoinerSecret, psk, wire.Marshal(&info.Context))
	if !s.VerifyMAC(epoch.ConfirmationKey, info.Context.ConfirmedTranscript, info.ConfirmationTag) {
		return errors.New("confirmation tag does not verify")
	}
	return nil
}
