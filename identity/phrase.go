package identity

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// The English word list of BIP39: 2048 words in alphabetical order, no two of which
// share their first four letters.
//
//go:embed english.txt
var englishText string

var english = strings.Fields(englishText)

const (
	bitsPerWord  = 11
	prefixLength = 4
)

// UnknownWordError says which word of a recovery phrase is not in the list. The word
// itself is left out: it may be a real one with a typing error.
type UnknownWordError struct {
	Position int // 1 for the first word
}

// Error names the position only.
func (e *UnknownWordError) Error() string {
	return fmt.Sprintf("identity: word %d of the recovery phrase is not in the word list", e.Position)
}

// Phrase returns the 24 English words of BIP39 whose entropy is the account's seed,
// separated by single spaces. The result is the secret itself and, being a string,
// cannot be erased.
func (a *Account) Phrase() string {
	seed := a.seed.reveal()[:]
	sum := sha256.Sum256(seed)
	entropy := append(slices.Clone(seed), sum[0])
	defer clear(entropy)
	bits := new(big.Int).SetBytes(entropy)
	words := make([]string, PhraseWords)
	for i := range words {
		shift := uint(bitsPerWord * (PhraseWords - 1 - i))
		index := new(big.Int).Rsh(bits, shift).Uint64() & (1<<bitsPerWord - 1)
		words[i] = english[index]
	}
	return strings.Join(words, " ")
}

// AccountFromPhrase restores an account from its 24 words. Any white space may stand
// between words, letters may be upper case, and a word may be cut short to four or
// more letters. The error is ErrPhraseLength, *UnknownWordError or
// ErrPhraseChecksum and never shows a word. Rule ID-03.
func AccountFromPhrase(phrase string) (*Account, error) {
	if len(phrase) > MaxPhraseText {
		return nil, ErrPhraseLength
	}
	words := strings.Fields(asciiLower(phrase))
	if len(words) != PhraseWords {
		return nil, ErrPhraseLength
	}
	bits := new(big.Int)
	for i, word := range words {
		index, ok := wordIndex(word)
		if !ok {
			return nil, &UnknownWordError{Position: i + 1}
		}
		bits.Lsh(bits, bitsPerWord).Or(bits, big.NewInt(int64(index)))
	}
	var entropy [keySize + 1]byte
	bits.FillBytes(entropy[:])
	defer clear(entropy[:])
	if sum := sha256.Sum256(entropy[:keySize]); sum[0] != entropy[keySize] {
		return nil, ErrPhraseChecksum
	}
	return accountFromSeed(entropy[:keySize]), nil
}

// wordIndex finds a word, or the one word that begins with it. The list is sorted,
// so the first entry not before word is either it or the only candidate.
func wordIndex(word string) (int, bool) {
	i, exact := slices.BinarySearch(english, word)
	if exact {
		return i, true
	}
	abbreviated := len(word) >= prefixLength && i < len(english) && strings.HasPrefix(english[i], word)
	return i, abbreviated
}
