package rule

// The rules. Numbers are stable: one that falls away leaves a gap.
const (
	Encoding       ID = 1
	Version        ID = 2
	WireFormat     ID = 3
	ExtensionTwice ID = 4
	TooLong        ID = 5
	KeyForm        ID = 6

	GroupID         ID = 7
	Epoch           ID = 8
	PublicData      ID = 9
	MembershipTag   ID = 10
	Signature       ID = 11
	DoesNotOpen     ID = 12
	SenderBlank     ID = 13
	Padding         ID = 14
	GenerationUsed  ID = 15
	GenerationFar   ID = 16
	SenderType      ID = 17
	ExternalSender  ID = 18
	ExternalType    ID = 19
	OwnMessage      ID = 20
	AEADLimit       ID = 21
	ProposalsWait   ID = 22
	GroupClosed     ID = 23
	CommitUsedTwice ID = 24

	LeafSignature      ID = 25
	LeafSource         ID = 26
	LeafVersion        ID = 27
	LeafCredentialType ID = 28
	LeafExtension      ID = 29
	LeafRequired       ID = 30
	CredentialSupport  ID = 31
	LifetimeNow        ID = 32
	LifetimeLength     ID = 33
	EncryptionKeyTwice ID = 34
	SignatureKeyTwice  ID = 35
	UpdateSameKey      ID = 36
	LeafGroupExtension ID = 37
	Authentication     ID = 38
	CertificateKey     ID = 39

	KeyPackageSuite     ID = 40
	KeyPackageSignature ID = 41
	KeyPackageInitKey   ID = 42

	TreeShape         ID = 43
	TreeHash          ID = 44
	ParentHash        ID = 45
	UnmergedLeaf      ID = 46
	UnmergedPath      ID = 47
	ParentKeyTwice    ID = 48
	ProposalUnknown   ID = 49
	UpdateByCommitter ID = 50
	RemoveCommitter   ID = 51
	LeafTwice         ID = 52
	RemoveBlank       ID = 53
	AddTwice          ID = 54
	AddMember         ID = 55
	PSKTwice          ID = 56
	PSKNonce          ID = 57
	PSKUsage          ID = 58
	PSKMissing        ID = 59
	ExtensionsTwice   ID = 60
	ReInitAlone       ID = 61
	ReInitVersion     ID = 62
	ExternalInitInner ID = 63
	ProposalSupport   ID = 64
	RequiredSupport   ID = 65

	PathMissing     ID = 66
	PathLength      ID = 67
	PathCiphertexts ID = 68
	PathKeyTwice    ID = 69
	PathParentHash  ID = 70
	PathSecret      ID = 71
	PathPublicKey   ID = 72
	ConfirmationTag ID = 73

	ExternalInitOne   ID = 74
	ExternalRemoves   ID = 75
	ExternalProposals ID = 76
	ExternalReference ID = 77
	ExternalPath      ID = 78
	ExternalKEM       ID = 79

	WelcomeNotForUs      ID = 80
	WelcomeSuite         ID = 81
	GroupSecrets         ID = 82
	GroupInfoOpen        ID = 83
	GroupInfoSigner      ID = 84
	GroupInfoSignature   ID = 85
	TreeMissing          ID = 86
	OwnLeafMissing       ID = 87
	WelcomePathSecret    ID = 88
	GroupInfoTag         ID = 89
	GroupExtension       ID = 90
	LinkOne              ID = 91
	LinkEpoch            ID = 92
	LinkParameters       ID = 93
	LinkMembers          ID = 94
	GroupKnown           ID = 95
	ExternalPub          ID = 96
	GroupExtensionFormat ID = 97
	SignerKey            ID = 98
)

var table = [...]struct {
	fault Fault
	text  string
}{
	Encoding:       {Peer, "malformed or not canonical encoding"},
	Version:        {Peer, "protocol version is not mls10"},
	WireFormat:     {Peer, "wire format is unknown or not expected here"},
	ExtensionTwice: {Peer, "list of extensions has a type twice"},
	TooLong:        {Peer, "message or field beyond its limit"},
	KeyForm:        {Peer, "public key is not one of the cipher suite"},

	GroupID:         {Peer, "message is for another group"},
	Epoch:           {Stale, "message is for another epoch"},
	PublicData:      {Peer, "application data in a public message"},
	MembershipTag:   {Peer, "membership tag does not verify"},
	Signature:       {Peer, "signature of the message does not verify"},
	DoesNotOpen:     {Peer, "private message does not open"},
	SenderBlank:     {Peer, "sender is not a member"},
	Padding:         {Peer, "padding is not zero"},
	GenerationUsed:  {Stale, "message key is used up or expired"},
	GenerationFar:   {Peer, "message key is too far ahead"},
	SenderType:      {Peer, "sender of this type may not send this content"},
	ExternalSender:  {Peer, "external sender is not in the group context"},
	ExternalType:    {Peer, "external sender may not send this proposal"},
	OwnMessage:      {Stale, "message is our own"},
	AEADLimit:       {Local, "too many messages in this epoch: commit first"},
	ProposalsWait:   {Local, "proposals wait for a commit: no application data before it"},
	GroupClosed:     {Stale, "group has ended for us: removed, reinitialised or wiped"},
	CommitUsedTwice: {Local, "commit is not of this epoch or was merged before"},

	LeafSignature:      {Peer, "signature of the leaf node does not verify"},
	LeafSource:         {Peer, "leaf node source does not fit its place"},
	LeafVersion:        {Peer, "leaf node does not list the protocol version"},
	LeafCredentialType: {Peer, "leaf node does not list the type of its own credential"},
	LeafExtension:      {Peer, "leaf node has an extension it does not list"},
	LeafRequired:       {Peer, "leaf node lacks a required capability"},
	CredentialSupport:  {Peer, "credential type is not supported by every member"},
	LifetimeNow:        {Peer, "time is outside the lifetime of the leaf node"},
	LifetimeLength:     {Peer, "lifetime of the leaf node is too long"},
	EncryptionKeyTwice: {Peer, "encryption key of a leaf is in the tree already"},
	SignatureKeyTwice:  {Peer, "signature key of a leaf is in the tree already"},
	UpdateSameKey:      {Peer, "leaf node keeps its encryption key"},
	LeafGroupExtension: {Peer, "leaf node does not support an extension of the group"},
	Authentication:     {Peer, "credential is refused by the application"},
	CertificateKey:     {Peer, "certificate is not for the signature key"},

	KeyPackageSuite:     {Peer, "key package is for another version or cipher suite"},
	KeyPackageSignature: {Peer, "signature of the key package does not verify"},
	KeyPackageInitKey:   {Peer, "key package uses one key as init key and leaf key"},

	TreeShape:      {Peer, "ratchet tree has not the shape of a tree"},
	TreeHash:       {Peer, "tree hash differs from the group context"},
	ParentHash:     {Peer, "parent node is not parent-hash valid"},
	UnmergedLeaf:   {Peer, "unmerged leaves are not sorted, non-blank leaves below their node"},
	UnmergedPath:   {Peer, "unmerged leaf is missing at a node between"},
	ParentKeyTwice: {Peer, "key of a parent node is in the tree twice"},

	ProposalUnknown:   {Peer, "commit refers to a proposal that was not received"},
	UpdateByCommitter: {Peer, "committer commits its own update"},
	RemoveCommitter:   {Peer, "committer removes itself"},
	LeafTwice:         {Peer, "two updates or removes of one leaf"},
	RemoveBlank:       {Peer, "removed leaf is blank"},
	AddTwice:          {Peer, "one client is added twice"},
	AddMember:         {Peer, "added client is a member already"},
	PSKTwice:          {Peer, "one pre-shared key id is used twice"},
	PSKNonce:          {Peer, "nonce of a pre-shared key has a wrong length"},
	PSKUsage:          {Peer, "resumption key is not used as its proposal may be"},
	PSKMissing:        {Local, "pre-shared key is not at hand"},
	ExtensionsTwice:   {Peer, "two proposals set the group context extensions"},
	ReInitAlone:       {Peer, "reinit beside another proposal"},
	ReInitVersion:     {Peer, "reinit to a lower version"},
	ExternalInitInner: {Peer, "external init in a commit of a member"},
	ProposalSupport:   {Peer, "proposal type is not supported by every member"},
	RequiredSupport:   {Peer, "new group context extensions ask more than a member supports"},

	PathMissing:     {Peer, "commit needs a path and has none"},
	PathLength:      {Peer, "path has not one node per node of the filtered direct path"},
	PathCiphertexts: {Peer, "path node has not one ciphertext per key of the resolution"},
	PathKeyTwice:    {Peer, "path has a key that is in the tree already"},
	PathParentHash:  {Peer, "parent hash of the committer's leaf does not fit the path"},
	PathSecret:      {Peer, "path secret does not open"},
	PathPublicKey:   {Peer, "path secret does not give the path's public keys"},
	ConfirmationTag: {Peer, "confirmation tag does not verify"},

	ExternalInitOne:   {Peer, "external commit has not exactly one external init"},
	ExternalRemoves:   {Peer, "external commit has more than one remove"},
	ExternalProposals: {Peer, "external commit has a proposal it may not have"},
	ExternalReference: {Peer, "external commit has a proposal by reference"},
	ExternalPath:      {Peer, "external commit has no path"},
	ExternalKEM:       {Peer, "external init does not open"},

	WelcomeNotForUs:      {Peer, "welcome is not for this key package"},
	WelcomeSuite:         {Peer, "welcome is for another cipher suite than the key package"},
	GroupSecrets:         {Peer, "group secrets do not open"},
	GroupInfoOpen:        {Peer, "group info does not open"},
	GroupInfoSigner:      {Peer, "signer of the group info is not a member"},
	GroupInfoSignature:   {Peer, "signature of the group info does not verify"},
	TreeMissing:          {Local, "ratchet tree is neither in the message nor given"},
	OwnLeafMissing:       {Peer, "no leaf of the tree is the one of the key package"},
	WelcomePathSecret:    {Peer, "path secret of the welcome does not give the tree's public keys"},
	GroupInfoTag:         {Peer, "confirmation tag of the group info does not verify"},
	GroupExtension:       {Peer, "group has an extension we do not support"},
	LinkOne:              {Peer, "more than one key links the group to an old one"},
	LinkEpoch:            {Peer, "linked group does not begin at epoch 1"},
	LinkParameters:       {Peer, "linked group has other parameters than agreed"},
	LinkMembers:          {Peer, "linked group has not the members it must have"},
	GroupKnown:           {Peer, "group id is in use already"},
	ExternalPub:          {Peer, "group info has no usable external public key"},
	GroupExtensionFormat: {Peer, "extension of the group is malformed"},
	SignerKey:            {Local, "signing key is not the one of the leaf"},
}
