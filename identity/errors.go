package identity

import "errors"

// Errors that callers tell apart. All are the fault of whoever made the input.
var (
	// ErrMalformed: the bytes or text are no valid encoding, or break a rule that
	// needs no key to check. Drop the input.
	ErrMalformed = errors.New("identity: malformed")
	// ErrVersion: a version this program does not know, perhaps of a newer one.
	ErrVersion = errors.New("identity: unknown version")
	// ErrForged: a signature does not verify, or was made for another account.
	ErrForged = errors.New("identity: forged")

	// ErrFork: the account signed two different histories of its device list. Either
	// its seed is in two hands or somebody with the seed lies; tell the user. It is
	// returned only for lists whose signatures verify.
	ErrFork = errors.New("identity: forked device list")
	// ErrStale: the list is the known one or an older one. Ignore it.
	ErrStale = errors.New("identity: stale device list")
	// ErrGap: lists between the known one and this one are missing. Ask for them.
	ErrGap = errors.New("identity: gap in device lists")

	// ErrNotInvite: the text is not an invite link at all.
	ErrNotInvite = errors.New("identity: not an invite link")
	// ErrDamagedLink: an invite link that was mistyped, cut short or run together
	// with other text. Ask for it to be sent again.
	ErrDamagedLink = errors.New("identity: damaged invite link")

	// ErrPhraseLength: a recovery phrase has not exactly PhraseWords words.
	ErrPhraseLength = errors.New("identity: recovery phrase does not have 24 words")
	// ErrPhraseChecksum: every word is known, yet a word or the order is wrong.
	ErrPhraseChecksum = errors.New("identity: recovery phrase has a wrong word or order")
)
