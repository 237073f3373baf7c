package identity

// Bounds of the format, docs/spec/identity.md section 3. Changing one changes
// what peers accept.
const (
	// MaxDevices is the largest number of certificates in a device list.
	MaxDevices = 16
	// MaxName is the largest length of the name in an invite, in bytes of UTF-8.
	MaxName = 64
	// MaxHints is the largest number of address hints in an invite.
	MaxHints = 8
	// MaxHint is the largest length of one address hint, in bytes.
	MaxHint = 128
	// MaxLinkText is the longest text, in bytes and white space included, in which
	// ParseInvite looks for a link.
	MaxLinkText = 8192
	// MaxLink is the length of the longest link, in characters.
	MaxLink = 1991
	// MaxPhraseText is the longest text, in bytes, that AccountFromPhrase reads.
	MaxPhraseText = 1024
	// PhraseWords is the number of words in a recovery phrase.
	PhraseWords = 24
)

// Sizes of encodings, in bytes.
const (
	// CertificateSize is the length of an encoded certificate.
	CertificateSize = RequestSize + signatureSize
	// RequestSize is the length of an encoded certificate request.
	RequestSize = 1 + 3*keySize + 4 + 8 + 8 + signatureSize
	// MaxListSize is the length of an encoded device list of MaxDevices.
	MaxListSize = 1 + keySize + 8 + keySize + 8 + 2 + MaxDevices*CertificateSize + signatureSize

	keySize       = 32
	signatureSize = 64
)
