package schedule

import (
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

// Epoch holds the secrets of one epoch (section 8). The encryption secret is not
// among them: it lives in the secret tree.
type Epoch struct {
	InitSecret      []byte // for the next epoch
	SenderData      []byte
	Exporter        []byte
	ExternalSecret  []byte
	ConfirmationKey []byte
	MembershipKey   []byte
	Resumption      []byte
	Authenticator   []byte
}

// Fields returns pointers to all secrets, in the order in which they are stored.
func (e *Epoch) Fields() []*[]byte {
	return []*[]byte{&e.InitSecret, &e.SenderData, &e.Exporter, &e.ExternalSecret,
		&e.ConfirmationKey, &e.MembershipKey, &e.Resumption, &e.Authenticator}
}

// Wipe erases the secrets.
func (e *Epoch) Wipe() {
	for _, f := range e.Fields() {
		clear(*f)
	}
	*e = Epoch{}
}

// Joiner returns the joiner secret of the epoch with this context.
func Joiner(s *suite.Suite, initSecret, commitSecret, context []byte) []byte {
	extracted := s.Extract(initSecret, commitSecret)
	defer clear(extracted)
	return s.ExpandWithLabel(extracted, "joiner", context, s.Nh)
}

// Welcome returns the key and nonce that a welcome encrypts its group info with,
// and the welcome secret they come from.
func Welcome(s *suite.Suite, joiner, psk []byte) (secret, key, nonce []byte) {
	member := s.Extract(joiner, psk)
	defer clear(member)
	secret = s.DeriveSecret(member, "welcome")
	return secret, s.ExpandWithLabel(secret, "key", nil, s.Nk), s.ExpandWithLabel(secret, "nonce", nil, s.Nn)
}

// FromJoiner returns the secrets of an epoch and its encryption secret.
func FromJoiner(s *suite.Suite, joiner, psk, context []byte) (e *Epoch, encryption []byte) {
	member := s.Extract(joiner, psk)
	defer clear(member)
	return FromEpochSecret(s, s.ExpandWithLabel(member, "epoch", context, s.Nh))
}

// FromEpochSecret derives all from the epoch secret and erases it.
func FromEpochSecret(s *suite.Suite, secret []byte) (e *Epoch, encryption []byte) {
	defer clear(secret)
	d := func(label string) []byte { return s.DeriveSecret(secret, label) }
	return &Epoch{
		InitSecret: d("init"), SenderData: d("sender data"), Exporter: d("exporter"),
		ExternalSecret: d("external"), ConfirmationKey: d("confirm"), MembershipKey: d("membership"),
		Resumption: d("resumption"), Authenticator: d("authentication"),
	}, d("encryption")
}

// Export is MLS-Exporter of section 8.5; n is at most 255 hashes.
func (e *Epoch) Export(s *suite.Suite, label string, context []byte, n int) []byte {
	secret := s.DeriveSecret(e.Exporter, label)
	defer clear(secret)
	return s.ExpandWithLabel(secret, "exported", s.Hash(context), n)
}

// PSK is a pre-shared key with the id of this use of it.
type PSK struct {
	ID     *wire.PSKID
	Secret []byte
}

// PSKSecret chains pre-shared keys (section 8.4). Of none it is all zero.
func PSKSecret(s *suite.Suite, keys []PSK) []byte {
	secret := make([]byte, s.Nh)
	zero := make([]byte, s.Nh)
	for i, k := range keys {
		extracted := s.Extract(zero, k.Secret)
		label := k.ID.Append(nil)
		label = append(label, byte(i>>8), byte(i), byte(len(keys)>>8), byte(len(keys)))
		secret = s.Extract(s.ExpandWithLabel(extracted, "derived psk", label, s.Nh), secret)
	}
	return secret
}

// Confirmed returns the confirmed transcript hash behind a commit (section 8.2).
func Confirmed(s *suite.Suite, interim []byte, commit *wire.AuthenticatedContent) []byte {
	b := append(make([]byte, 0, 1024), byte(commit.Format>>8), byte(commit.Format))
	b = commit.Content.Append(b)
	return s.Hash(interim, wire.AppendOpaque(b, commit.Auth.Signature))
}

// Interim returns the interim transcript hash behind a confirmation tag.
func Interim(s *suite.Suite, confirmed, tag []byte) []byte {
	return s.Hash(confirmed, wire.AppendOpaque(nil, tag))
}
