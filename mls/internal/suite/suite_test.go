package suite

import (
	"bytes"
	"errors"
	"testing"
)

// TestSealer_standardLibraryOpensIt: what the second HPKE seals, the first opens.
func TestSealer_standardLibraryOpensIt(t *testing.T) {
	for _, s := range All() {
		key, err := s.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		seal, err := s.Sealer("test", []byte("context"))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			output, ciphertext, err := seal(key.Public(), []byte("hello"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.DecryptWithLabel(key, "test", []byte("context"), output, ciphertext)
			if err != nil || !bytes.Equal(got, []byte("hello")) {
				t.Errorf("%s: %q, %v", s.Name, got, err)
			}
			if _, err := s.DecryptWithLabel(key, "test", []byte("other"), output, ciphertext); !errors.Is(err, errKEM) {
				t.Errorf("%s opens under another context: %v", s.Name, err)
			}
		}
		if _, _, err := seal(key.Public()[1:], nil); !errors.Is(err, errKEM) {
			t.Errorf("%s seals to half a key: %v", s.Name, err)
		}
	}
}

func TestSuite_externalInitIsShared(t *testing.T) {
	for _, s := range All() {
		key, err := s.DeriveKeyPair(make([]byte, s.Nh))
		if err != nil {
			t.Fatal(err)
		}
		output, secret, err := s.ExternalInit(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.ReceiveExternalInit(key, output)
		if err != nil || !bytes.Equal(got, secret) || len(secret) != s.Nh {
			t.Errorf("%s: %v", s.Name, err)
		}
		again, err := s.NewPrivateKey(key.Bytes())
		if err != nil || !bytes.Equal(again.Public(), key.Public()) {
			t.Errorf("%s: key does not survive its encoding: %v", s.Name, err)
		}
	}
}

func TestSuite_lowOrderKeysRefused(t *testing.T) {
	for _, id := range []uint16{1, 3, XWing} {
		s, _ := ByID(id)
		key, err := s.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		for _, point := range lowOrder {
			for _, top := range []byte{0, 0x80} {
				bad := bytes.Clone(key.Public())
				copy(bad[len(bad)-32:], point)
				bad[len(bad)-1] |= top
				if s.CheckPublicKey(bad) {
					t.Errorf("%s takes %x", s.Name, point)
				}
			}
		}
		if !s.CheckPublicKey(key.Public()) || s.CheckPublicKey(nil) {
			t.Errorf("%s tells keys apart badly", s.Name)
		}
	}
	s, _ := ByID(4)
	if s.CheckPublicKey(make([]byte, 56)) {
		t.Error("X448 takes zero")
	}
}

func TestSuite_signaturesOfOthersRefused(t *testing.T) {
	for _, s := range All() {
		k, err := s.GenerateSigner()
		if err != nil {
			t.Fatal(err)
		}
		pub, err := s.SignatureKey(k)
		if err != nil || !s.CheckSignatureKey(pub) {
			t.Fatal(err)
		}
		signature, err := s.Sign(k, "label", []byte("content"))
		if err != nil || !s.Verify(pub, "label", []byte("content"), signature) {
			t.Errorf("%s: %v", s.Name, err)
		}
		for _, bad := range [][]byte{nil, signature[1:], append(bytes.Clone(signature), 0)} {
			if s.Verify(pub, "label", []byte("content"), bad) {
				t.Errorf("%s takes %d bytes", s.Name, len(bad))
			}
		}
		if s.Verify(pub, "other", []byte("content"), signature) || s.Verify(pub[1:], "label", []byte("content"), signature) || s.Verify(nil, "label", nil, nil) {
			t.Errorf("%s takes a signature of something else", s.Name)
		}
	}
}
