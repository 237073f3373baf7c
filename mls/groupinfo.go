package mls

import (
	"kith/mls/internal/rule"
	"kith/mls/internal/wire"
)

// GroupInfoOptions are what a GroupInfo may leave out.
type GroupInfoOptions struct {
	OmitTree        bool // the ratchet tree; see Group.Tree
	OmitExternalPub bool // the key that external commits need
}

// GroupInfo returns a signed description of the epoch as an MLSMessage, for
// Client.JoinExternally. It is not secret from the protocol's point of view, but
// tells who is in the group.
func (g *Group) GroupInfo(o GroupInfoOptions) ([]byte, error) {
	if g.closed {
		return nil, rule.Break(rule.GroupClosed)
	}
	info, err := g.groupInfo(g.private.Leaf, o)
	if err != nil {
		return nil, err
	}
	return encode(&wire.Message{Format: wire.FormatGroupInfo, GroupInfo: info})
}

func (g *Group) groupInfo(signer uint32, o GroupInfoOptions) (*wire.GroupInfo, error) {
	info := &wire.GroupInfo{Context: g.context, ConfirmationTag: g.tag, Signer: signer}
	if !o.OmitTree {
		info.Extensions = append(info.Extensions, wire.Extension{Type: wire.ExtensionRatchetTree, Data: wire.Marshal(g.tree.Nodes())})
	}
	if !o.OmitExternalPub {
		key, err := g.suite.DeriveKeyPair(g.secrets.ExternalSecret)
		if err != nil {
			return nil, err
		}
		defer key.Wipe()
		info.Extensions = append(info.Extensions, wire.Extension{Type: wire.ExtensionExternalPub, Data: wire.AppendOpaque(nil, key.Public())})
	}
	var err error
	info.Signature, err = g.suite.Sign(g.signer, "GroupInfoTBS", info.TBS())
	return info, err
}
