package mls

import (
	"bytes"
	"time"

	"kith/mls/internal/rule"
	"kith/mls/internal/schedule"
	"kith/mls/internal/suite"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// JoinOptions are what a newcomer may know besides the message.
type JoinOptions struct {
	// Tree is the ratchet tree from Group.Tree, if the message has none.
	Tree []byte
	// Now is compared with the lifetimes of leaf nodes, unless it is the zero time.
	Now time.Time
	// From is the group that this one replaces or was branched from. It must be given
	// for a Welcome of Group.Reinitialise or Group.Branch.
	From *Group
}

// Join enters the group of a Welcome for a key package of this client (section
// 12.4.3.1), after checking all that a newcomer can check: the tree and every
// leaf in it among the rest.
func (c *Client) Join(welcome []byte, k *PrivateKeyPackage, o JoinOptions) (*Group, error) {
	m, err := wire.ParseMessage(bytes.Clone(welcome))
	if err != nil {
		return nil, err
	}
	if m.Welcome == nil {
		return nil, rule.Break(rule.WireFormat)
	}
	s, signatureKey, err := c.impl()
	if err != nil {
		return nil, err
	}
	if k.kp.Suite != s.ID || !bytes.Equal(signatureKey, k.kp.Leaf.SignatureKey) {
		return nil, rule.Break(rule.SignerKey)
	}
	if m.Welcome.Suite != s.ID {
		return nil, rule.Break(rule.WelcomeSuite)
	}
	secrets, err := schedule.OpenSecrets(s, m.Welcome, k.ref, k.initKey)
	if err != nil {
		return nil, err
	}
	defer clear(secrets.JoinerSecret)
	defer clear(secrets.PathSecret)
	j := &joining{client: c, suite: s, o: o, secrets: secrets}
	defer func() { clear(j.psk) }()
	if err := j.findPSKs(); err != nil {
		return nil, err
	}
	info, err := schedule.OpenGroupInfo(s, m.Welcome, secrets.JoinerSecret, j.psk)
	if err != nil {
		return nil, err
	}
	if err := j.checkInfo(info); err != nil {
		return nil, err
	}
	return j.enter(k)
}

// joining is a join while it is checked.
type joining struct {
	client  *Client
	suite   *suite.Suite
	o       JoinOptions
	secrets *wire.GroupSecrets
	psk     []byte
	info    *wire.GroupInfo
	tree    *tree.Tree
}

// findPSKs chains the pre-shared keys of a welcome.
func (j *joining) findPSKs() (err error) {
	links := 0
	for _, id := range j.secrets.PSKs {
		if len(id.Nonce) != j.suite.Nh {
			return rule.Break(rule.PSKNonce)
		}
		if id.Type == wire.PSKResumption && id.Usage != wire.UsageApplication {
			links++
		}
	}
	if links > 1 {
		return rule.Break(rule.LinkOne)
	}
	if links == 0 && j.o.From != nil {
		return rule.Breakf(rule.LinkParameters, "no key links it to the old group")
	}
	j.psk, err = chainPSKs(j.suite, j.secrets.PSKs, j.findPSK)
	return err
}

func (j *joining) findPSK(id *wire.PSKID) ([]byte, bool) {
	if from := j.o.From; from != nil && id.Type == wire.PSKResumption {
		return from.pskSecret(id)
	}
	if id.Type == wire.PSKExternal {
		if j.client.PSK == nil {
			return nil, false
		}
		return j.client.PSK(id.ID)
	}
	if id.Usage != wire.UsageApplication || j.client.Resumption == nil {
		return nil, false // a link must be checked against the group it links to
	}
	return j.client.Resumption(id.GroupID, id.Epoch)
}

// checkInfo checks a group info and the tree that it describes.
func (j *joining) checkInfo(info *wire.GroupInfo) error {
	j.info = info
	if info.Context.Version != wire.MLS10 {
		return rule.Break(rule.Version)
	}
	if info.Context.Suite != j.suite.ID {
		return rule.Break(rule.WelcomeSuite)
	}
	if j.client.InUse != nil && j.client.InUse(info.Context.GroupID) {
		return rule.Break(rule.GroupKnown)
	}
	if err := groupExtensions(info.Context.Extensions); err != nil {
		return err
	}
	caps := j.client.capabilities()
	for _, e := range info.Context.Extensions {
		if !caps.SupportsExtension(e.Type) {
			return rule.Break(rule.GroupExtension)
		}
	}
	if err := j.findTree(); err != nil {
		return err
	}
	signer := j.tree.Leaf(info.Signer)
	if signer == nil {
		return rule.Break(rule.GroupInfoSigner)
	}
	if !j.suite.Verify(signer.SignatureKey, "GroupInfoTBS", info.TBS(), info.Signature) {
		return rule.Break(rule.GroupInfoSignature)
	}
	if !bytes.Equal(j.tree.Hash(), info.Context.TreeHash) {
		return rule.Break(rule.TreeHash)
	}
	return j.checkTree()
}

func (j *joining) findTree() error {
	data, ok := wire.FindExtension(j.info.Extensions, wire.ExtensionRatchetTree)
	if !ok {
		if j.o.Tree == nil {
			return rule.Break(rule.TreeMissing)
		}
		data = bytes.Clone(j.o.Tree)
	}
	r := wire.NewReader(data)
	nodes := r.RatchetTree()
	if err := r.Done(); err != nil {
		return err
	}
	var err error
	j.tree, err = tree.Parse(j.suite, nodes)
	return err
}

// checkTree checks every node of the tree.
func (j *joining) checkTree() error {
	if err := j.tree.Validate(); err != nil {
		return err
	}
	v := &validator{client: j.client, suite: j.suite, groupID: j.info.Context.GroupID, extensions: j.info.Context.Extensions, now: j.o.Now}
	for i, l := range j.tree.All() {
		if err := v.leaf(l, l.Source, i); err != nil {
			return err
		}
		if err := j.client.authenticate(member(i, l), nil); err != nil {
			return err
		}
	}
	return credentials(j.tree)
}

// enter makes the group of the epoch.
func (j *joining) enter(k *PrivateKeyPackage) (*Group, error) {
	leaf, err := j.ownLeaf(k)
	if err != nil {
		return nil, err
	}
	g := &Group{client: j.client, signer: j.client.Signer, suite: j.suite, context: j.info.Context, tree: j.tree, tag: j.info.ConfirmationTag}
	var pathSecret []byte
	if j.secrets.HasPath {
		pathSecret = j.secrets.PathSecret
	}
	if g.private, err = j.tree.Implant(leaf, k.leafKey.Clone(), j.info.Signer, pathSecret); err != nil {
		return nil, err
	}
	g.begin(schedule.FromJoiner(j.suite, j.secrets.JoinerSecret, j.psk, wire.Marshal(&g.context)))
	if !j.suite.VerifyMAC(g.secrets.ConfirmationKey, g.context.ConfirmedTranscript, g.tag) {
		return nil, rule.Break(rule.GroupInfoTag)
	}
	g.interim = schedule.Interim(j.suite, g.context.ConfirmedTranscript, g.tag)
	if err := j.checkLink(); err != nil {
		return nil, err
	}
	return g, nil
}

func (j *joining) ownLeaf(k *PrivateKeyPackage) (uint32, error) {
	own := wire.Marshal(k.kp.Leaf)
	for i, l := range j.tree.All() {
		if bytes.Equal(l.EncryptionKey, k.kp.Leaf.EncryptionKey) && bytes.Equal(wire.Marshal(l), own) {
			return i, nil
		}
	}
	return 0, rule.Break(rule.OwnLeafMissing)
}
