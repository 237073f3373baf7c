package schedule

import (
	"bytes"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

// SecretSealer returns a function that encrypts the group secrets of a welcome to
// new members (section 12.4.3.1).
func SecretSealer(s *suite.Suite, encryptedInfo []byte) (func(initKey, ref []byte, secrets *wire.GroupSecrets) (wire.EncryptedGroupSecrets, error), error) {
	seal, err := s.Sealer("Welcome", encryptedInfo)
	return func(initKey, ref []byte, secrets *wire.GroupSecrets) (wire.EncryptedGroupSecrets, error) {
		plaintext := wire.Marshal(secrets)
		defer clear(plaintext)
		output, ciphertext, err := seal(initKey, plaintext)
		return wire.EncryptedGroupSecrets{NewMember: ref, Secrets: wire.HPKECiphertext{KEMOutput: output, Ciphertext: ciphertext}}, err
	}, err
}

// OpenSecrets decrypts the group secrets that a welcome has for a key package.
func OpenSecrets(s *suite.Suite, w *wire.Welcome, ref []byte, initKey *suite.PrivateKey) (*wire.GroupSecrets, error) {
	for _, e := range w.Secrets {
		if !bytes.Equal(e.NewMember, ref) {
			continue
		}
		plaintext, err := s.DecryptWithLabel(initKey, "Welcome", w.GroupInfo, e.Secrets.KEMOutput, e.Secrets.Ciphertext)
		if err != nil {
			return nil, rule.Break(rule.GroupSecrets)
		}
		r := wire.NewReader(plaintext)
		secrets := r.GroupSecrets()
		if err := r.Done(); err != nil {
			return nil, err
		}
		if len(secrets.JoinerSecret) != s.Nh || secrets.HasPath && len(secrets.PathSecret) != s.Nh {
			return nil, rule.Breakf(rule.Encoding, "length of a secret")
		}
		return secrets, nil
	}
	return nil, rule.Break(rule.WelcomeNotForUs)
}

// OpenGroupInfo decrypts the group info of a welcome. Nothing of it is verified.
func OpenGroupInfo(s *suite.Suite, w *wire.Welcome, joiner, psk []byte) (*wire.GroupInfo, error) {
	secret, key, nonce := Welcome(s, joiner, psk)
	defer clear(secret)
	defer clear(key)
	plaintext, ok := s.Open(key, nonce, w.GroupInfo, nil)
	if !ok {
		return nil, rule.Break(rule.GroupInfoOpen)
	}
	r := wire.NewReader(plaintext)
	info := r.GroupInfo()
	return info, r.Done()
}
