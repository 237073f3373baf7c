package wire

// Bounds of everything this package parses or builds. Each has a test at its
// edge.
const (
	// MaxFrame is the largest frame in bytes, kind byte included.
	MaxFrame = 256 << 10
	// MaxEnvelope is the largest envelope in bytes.
	MaxEnvelope = 192 << 10
	// MaxContent is the largest encoded content in bytes, before padding.
	MaxContent = 128 << 10
	// MaxAcks is how many envelope ids one acknowledgement frame may carry.
	MaxAcks = 256
	// MaxText is the longest message text in bytes of UTF-8.
	MaxText = 64 << 10
	// MaxAttachments is how many media pointers one message may carry.
	MaxAttachments = 64
	// MaxFileName is the longest attachment name in bytes of UTF-8.
	MaxFileName = 255
	// MaxMediaType is the longest media type in bytes.
	MaxMediaType = 127
	// MaxSide is the largest width or height a preview may claim, in pixels, and
	// MaxDuration the longest time, in milliseconds (about 12 days).
	MaxSide     = 1 << 20
	MaxDuration = 1 << 30
	// MaxThumbHash, MaxThumbnail and MaxWaveform are the largest parts of a preview
	// in bytes, MaxPreviews how much the previews of one message may have encoded.
	MaxThumbHash = 32
	MaxThumbnail = 4 << 10
	MaxWaveform  = 64
	MaxPreviews  = 40 << 10
	// MaxName is the longest name a person may give herself, in bytes of UTF-8.
	MaxName = 64
	// MaxAddrs is how many addresses a hello may carry.
	MaxAddrs = 16
	// MaxAddr is the longest address in bytes.
	MaxAddr = 256
	// MaxOpened is how many envelopes one content may acknowledge.
	MaxOpened = 64
	// MaxMissing is how many boxes one content may say are missing.
	MaxMissing = 32
	// MaxRelays is how many relays a device may tell of, MaxRelay the longest link
	// of one in bytes.
	MaxRelays = 16
	MaxRelay  = 512
	// MaxDepositIDs is how many ids a deposit names.
	MaxDepositIDs = 16
	// MaxStored is how many files one content may say are complete.
	MaxStored = 64
	// MaxReceipts is how many message ids one receipt may name.
	MaxReceipts = 1024
	// MaxDeleted is how many messages one deletion may name.
	MaxDeleted = 256
	// MaxEmoji is the longest reaction in bytes of UTF-8.
	MaxEmoji = 64
	// MaxLamport is the highest causal order a message may claim; beyond it the
	// arithmetic of languages with 53-bit integers would fail.
	MaxLamport = 1<<53 - 1
)
