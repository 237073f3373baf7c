package mls

import (
	"bytes"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// validator checks what comes from others against a client's policy and, if there
// is one, a group.
type validator struct {
	client  *Client
	suite   *suite.Suite
	groupID []byte
	// extensions of the group context that the checked things are to live under
	extensions []wire.Extension
	now        time.Time // zero: lifetimes are not compared with it
}

// requirements is the extension required_capabilities.
type requirements struct{ extensions, proposals, credentials []uint16 }

func (q *requirements) append(b []byte) []byte {
	for _, list := range [][]uint16{q.extensions, q.proposals, q.credentials} {
		b = wire.AppendLength(b, 2*len(list))
		for _, v := range list {
			b = append(b, byte(v>>8), byte(v))
		}
	}
	return b
}

// required returns the requirements of a list of extensions; none is nil.
func required(list []wire.Extension) (*requirements, error) {
	data, ok := wire.FindExtension(list, wire.ExtensionRequiredCapabilities)
	if !ok {
		return nil, nil
	}
	r := wire.NewReader(data)
	q := &requirements{r.Uint16s(), r.Uint16s(), r.Uint16s()}
	if r.Done() != nil {
		return nil, rule.Breakf(rule.GroupExtensionFormat, "required_capabilities")
	}
	return q, nil
}

// metBy reports whether a leaf lists all that is required.
func (q *requirements) metBy(c *wire.Capabilities) bool {
	for _, t := range q.extensions {
		if !c.SupportsExtension(t) {
			return false
		}
	}
	for _, t := range q.proposals {
		if !c.SupportsProposal(t) {
			return false
		}
	}
	for _, t := range q.credentials {
		if !slices.Contains(c.Credentials, t) {
			return false
		}
	}
	return true
}

// externalSender is an element of the extension external_senders.
type externalSender struct {
	key        []byte
	credential wire.Credential
}

func appendExternalSender(b []byte, e externalSender) []byte {
	return e.credential.Append(wire.AppendOpaque(b, e.key))
}

func externalSenders(list []wire.Extension) ([]externalSender, error) {
	data, ok := wire.FindExtension(list, wire.ExtensionExternalSenders)
	if !ok {
		return nil, nil
	}
	r := wire.NewReader(data)
	senders := wire.Vector(r, func(r *wire.Reader) externalSender { return externalSender{r.Opaque(), r.Credential()} })
	if r.Done() != nil {
		return nil, rule.Breakf(rule.GroupExtensionFormat, "external_senders")
	}
	return senders, nil
}

// groupExtensions checks the form of what this package interprets.
func groupExtensions(list []wire.Extension) error {
	if wire.ExtensionTwice(list) {
		return rule.Break(rule.ExtensionTwice)
	}
	if _, err := required(list); err != nil {
		return err
	}
	_, err := externalSenders(list)
	return err
}

// keyPackage checks a key package (section 10.1).
func (v *validator) keyPackage(kp *wire.KeyPackage) error {
	if kp.Version != wire.MLS10 || kp.Suite != v.suite.ID {
		return rule.Break(rule.KeyPackageSuite)
	}
	if bytes.Equal(kp.InitKey, kp.Leaf.EncryptionKey) {
		return rule.Break(rule.KeyPackageInitKey)
	}
	if !v.suite.CheckPublicKey(kp.InitKey) {
		return rule.Breakf(rule.KeyForm, "init key")
	}
	if err := v.leaf(kp.Leaf, wire.SourceKeyPackage, 0); err != nil {
		return err
	}
	if !v.suite.Verify(kp.Leaf.SignatureKey, "KeyPackageTBS", kp.TBS(), kp.Signature) {
		return rule.Break(rule.KeyPackageSignature)
	}
	return nil
}

// leaf checks a leaf node alone (section 7.3), for a place that takes this source.
func (v *validator) leaf(l *wire.LeafNode, source wire.LeafSource, index uint32) error {
	if l.Source != source {
		return rule.Break(rule.LeafSource)
	}
	if err := v.leafFields(l); err != nil {
		return err
	}
	if !v.suite.Verify(l.SignatureKey, "LeafNodeTBS", l.TBS(v.groupID, index), l.Signature) {
		return rule.Break(rule.LeafSignature)
	}
	return nil
}

// leafFields is leaf without the signature, for leaves of any source.
func (v *validator) leafFields(l *wire.LeafNode) error {
	if !v.suite.CheckPublicKey(l.EncryptionKey) || !v.suite.CheckSignatureKey(l.SignatureKey) {
		return rule.Breakf(rule.KeyForm, "leaf node")
	}
	c := &l.Capabilities
	// The list of suites is not looked at: clients are about that leave the suite out
	// which they use, and no step of section 7.3 asks for it.
	if !slices.Contains(c.Versions, wire.MLS10) {
		return rule.Break(rule.LeafVersion)
	}
	if !slices.Contains(c.Credentials, l.Credential.Type) {
		return rule.Break(rule.LeafCredentialType)
	}
	for _, e := range l.Extensions {
		if !c.SupportsExtension(e.Type) {
			return rule.Break(rule.LeafExtension)
		}
	}
	if err := v.supports(c); err != nil {
		return err
	}
	if l.Credential.Type == wire.CredentialX509 && !certifies(l.Credential.Certificates, l.SignatureKey) {
		return rule.Break(rule.CertificateKey)
	}
	if l.Source == wire.SourceKeyPackage {
		return v.lifetime(l)
	}
	return nil
}

// supports checks capabilities against the group's extensions.
func (v *validator) supports(c *wire.Capabilities) error {
	for _, e := range v.extensions {
		if !c.SupportsExtension(e.Type) {
			return rule.Break(rule.LeafGroupExtension)
		}
	}
	q, err := required(v.extensions)
	if err != nil {
		return err
	}
	if q != nil && !q.metBy(c) {
		return rule.Break(rule.LeafRequired)
	}
	return nil
}

func (v *validator) lifetime(l *wire.LeafNode) error {
	longest := v.client.longest()
	if l.NotAfter < l.NotBefore || longest != AnyLifetime && l.NotAfter-l.NotBefore > uint64(longest/time.Second) {
		return rule.Break(rule.LifetimeLength)
	}
	if v.now.IsZero() {
		return nil
	}
	if now := v.now.Unix(); now < 0 || uint64(now) < l.NotBefore || uint64(now) > l.NotAfter {
		return rule.Break(rule.LifetimeNow)
	}
	return nil
}

// credentials checks that all members of a tree support the types of credentials
// that are in it.
func credentials(t *tree.Tree) error {
	var types []uint16
	for _, l := range t.All() {
		if !slices.Contains(types, l.Credential.Type) {
			types = append(types, l.Credential.Type)
		}
	}
	for _, l := range t.All() {
		for _, c := range types {
			if !slices.Contains(l.Capabilities.Credentials, c) {
				return rule.Break(rule.CredentialSupport)
			}
		}
	}
	return nil
}

// certifies reports whether the first certificate is for a signature key: its
// subjectPublicKey is the key, bit for bit (section 5.3).
func certifies(chain [][]byte, key []byte) bool {
	if len(chain) == 0 {
		return false
	}
	der := cryptobyte.String(chain[0])
	var cert, tbs, info, bits cryptobyte.String
	ok := der.ReadASN1(&cert, asn1.SEQUENCE) && der.Empty() && cert.ReadASN1(&tbs, asn1.SEQUENCE) &&
		tbs.SkipOptionalASN1(asn1.Tag(0).Constructed().ContextSpecific()) && // version
		tbs.SkipASN1(asn1.INTEGER) && // serial number
		tbs.SkipASN1(asn1.SEQUENCE) && // signature algorithm
		tbs.SkipASN1(asn1.SEQUENCE) && // issuer
		tbs.SkipASN1(asn1.SEQUENCE) && // validity
		tbs.SkipASN1(asn1.SEQUENCE) && // subject
		tbs.ReadASN1(&info, asn1.SEQUENCE) && info.SkipASN1(asn1.SEQUENCE) && info.ReadASN1(&bits, asn1.BIT_STRING)
	return ok && len(bits) > 0 && bits[0] == 0 && bytes.Equal(bits[1:], key)
}
