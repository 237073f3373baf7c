package wire

import (
	"bytes"
	"testing"
)

// codec reads a structure that is all of b and returns its encoding.
func codec[T Encoder](read func(*Reader) T) func(b []byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		r := NewReader(b)
		v := read(r)
		if err := r.Done(); err != nil {
			return nil, err
		}
		return Marshal(v), nil
	}
}

// fuzz checks that what is read encodes to the same bytes.
func fuzz(f *testing.F, again func(b []byte) ([]byte, error)) {
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := again(b)
		if err == nil && !bytes.Equal(got, b) {
			t.Errorf("%x is read and encoded as %x", b, got)
		}
	})
}

var (
	sampleLeaf = &LeafNode{
		EncryptionKey: make([]byte, 32), SignatureKey: []byte{1}, Credential: Credential{Type: CredentialX509, Certificates: [][]byte{{1}, {2, 3}}},
		Capabilities: Capabilities{Versions: []uint16{1}, Suites: []uint16{1, 2}, Credentials: []uint16{2}}, Source: SourceCommit,
		ParentHash: []byte{9}, Extensions: []Extension{{1, []byte{5}}, {2, nil}}, Signature: []byte{7},
	}
	samplePackage = &KeyPackage{Version: 1, Suite: 1, InitKey: []byte{1}, Leaf: &LeafNode{Source: SourceKeyPackage, NotAfter: 7}}
	sampleCommit  = &Commit{
		Proposals: []ProposalOrRef{
			{Ref: []byte{1}}, {Proposal: &Proposal{Type: ProposalAdd, KeyPackage: samplePackage}},
			{Proposal: &Proposal{Type: ProposalPSK, PSK: &PSKID{Type: PSKResumption, Usage: UsageBranch, GroupID: []byte{1}, Epoch: 5, Nonce: []byte{6}}}},
			{Proposal: &Proposal{Type: ProposalReInit, ReInit: &ReInit{GroupID: []byte{1}, Version: 1, Suite: 2}}},
			{Proposal: &Proposal{Type: ProposalRemove, Removed: 77}},
		},
		Path: &UpdatePath{Leaf: sampleLeaf, Nodes: []UpdatePathNode{{[]byte{1}, []HPKECiphertext{{[]byte{2}, []byte{3}}}}}},
	}
	sampleContent = &FramedContent{GroupID: []byte("g"), Epoch: 4, Sender: Sender{SenderMember, 3}, Type: ContentCommit, Commit: sampleCommit}
	sampleSecrets = &GroupSecrets{JoinerSecret: make([]byte, 32), HasPath: true, PathSecret: []byte{1}, PSKs: []*PSKID{{Type: PSKExternal, ID: []byte{2}}}}
	sampleTree    = RatchetTree{{Leaf: sampleLeaf}, {Parent: &ParentNode{EncryptionKey: []byte{1}, UnmergedLeaves: []uint32{0, 1}}}, {}, {}, {Leaf: sampleLeaf}}
)

func FuzzMessage(f *testing.F) {
	for _, m := range []*Message{
		{Format: FormatPublic, Public: &PublicMessage{Content: sampleContent, MembershipTag: []byte{1}}},
		{Format: FormatPrivate, Private: &PrivateMessage{GroupID: []byte("g"), Type: ContentApplication, Ciphertext: make([]byte, 70)}},
		{Format: FormatWelcome, Welcome: &Welcome{Suite: 1, Secrets: []EncryptedGroupSecrets{{NewMember: []byte{1}}}, GroupInfo: []byte{2}}},
		{Format: FormatGroupInfo, GroupInfo: &GroupInfo{Context: GroupContext{Version: 1, Suite: 1}}},
		{Format: FormatKeyPackage, KeyPackage: samplePackage},
	} {
		f.Add(Marshal(m))
	}
	fuzz(f, func(b []byte) ([]byte, error) {
		m, err := ParseMessage(b)
		if err != nil {
			return nil, err
		}
		return Marshal(m), nil
	})
}

func FuzzRatchetTree(f *testing.F) {
	f.Add(Marshal(sampleTree))
	fuzz(f, codec((*Reader).RatchetTree))
}

func FuzzCommit(f *testing.F) {
	f.Add(Marshal(sampleCommit))
	fuzz(f, codec((*Reader).Commit))
}

func FuzzProposal(f *testing.F) {
	for _, p := range sampleCommit.Proposals[1:] {
		f.Add(Marshal(p.Proposal))
	}
	fuzz(f, codec((*Reader).Proposal))
}

func FuzzGroupSecrets(f *testing.F) {
	f.Add(Marshal(sampleSecrets))
	fuzz(f, codec((*Reader).GroupSecrets))
}

func FuzzAuthenticatedContent(f *testing.F) {
	f.Add(Marshal(&AuthenticatedContent{Format: FormatPublic, Content: sampleContent}))
	fuzz(f, codec((*Reader).AuthenticatedContent))
}

func FuzzLength(f *testing.F) {
	for _, b := range [][]byte{{0x3f}, {0x40, 0x40}, {0x80, 0, 0x40, 0}, {0xc0}} {
		f.Add(b)
	}
	fuzz(f, func(b []byte) ([]byte, error) {
		r := NewReader(b)
		n := r.Length()
		return AppendLength(nil, n), r.Done()
	})
}
