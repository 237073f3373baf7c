package main

import (
	"errors"
	"fmt"

	"kith/mls/internal/framing"
	"kith/mls/internal/schedule"
	"kith/mls/internal/suite"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

type cryptoBasics struct {
	Suite   uint16 `json:"cipher_suite"`
	RefHash struct {
		Label      string
		Value, Out octets
	} `json:"ref_hash"`
	Expand struct {
		Secret, Context, Out octets
		Label                string
		Length               int
	} `json:"expand_with_label"`
	Derive struct {
		Secret, Out octets
		Label       string
	} `json:"derive_secret"`
	DeriveTree struct {
		Secret, Out octets
		Label       string
		Generation  uint32
		Length      int
	} `json:"derive_tree_secret"`
	Sign struct {
		Priv, Pub, Content, Signature octets
		Label                         string
	} `json:"sign_with_label"`
	Encrypt struct {
		Priv, Pub, Context, Plaintext, Ciphertext octets
		Output                                    octets `json:"kem_output"`
		Label                                     string
	} `json:"encrypt_with_label"`
}

func verifyCryptoBasics(v *cryptoBasics) error {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return err
	}
	if err := lengths(s, v.Expand.Length, v.DeriveTree.Length); err != nil {
		return err
	}
	return errors.Join(
		expect("ref_hash", s.RefHash(v.RefHash.Label, v.RefHash.Value), v.RefHash.Out),
		expect("expand_with_label", s.ExpandWithLabel(v.Expand.Secret, v.Expand.Label, v.Expand.Context, v.Expand.Length), v.Expand.Out),
		expect("derive_secret", s.DeriveSecret(v.Derive.Secret, v.Derive.Label), v.Derive.Out),
		expect("derive_tree_secret", s.DeriveTreeSecret(v.DeriveTree.Secret, v.DeriveTree.Label, v.DeriveTree.Generation, v.DeriveTree.Length), v.DeriveTree.Out),
		v.verifySign(s), v.verifyEncrypt(s))
}

// lengths checks that a suite can derive as many bytes.
func lengths(s *suite.Suite, list ...int) error {
	for _, n := range list {
		if n < 0 || n > 255*s.Nh {
			return fmt.Errorf("cannot derive %d bytes", n)
		}
	}
	return nil
}

func (v *cryptoBasics) verifySign(s *suite.Suite) error {
	k := &v.Sign
	if !s.Verify(k.Pub, k.Label, k.Content, k.Signature) {
		return errors.New("signature does not verify")
	}
	signer, err := s.NewSigner(k.Priv)
	if err != nil {
		return err
	}
	signature, err := s.Sign(signer, k.Label, k.Content)
	if err != nil || !s.Verify(k.Pub, k.Label, k.Content, signature) {
		return fmt.Errorf("own signature does not verify: %v", err)
	}
	return nil
}

func (v *cryptoBasics) verifyEncrypt(s *suite.Suite) error {
	e := &v.Encrypt
	priv, err := s.NewPrivateKey(e.Priv)
	if err != nil {
		return err
	}
	plaintext, err := s.DecryptWithLabel(priv, e.Label, e.Context, e.Output, e.Ciphertext)
	if err != nil {
		return err
	}
	output, ciphertext, err := s.EncryptWithLabel(e.Pub, e.Label, e.Context, e.Plaintext)
	if err != nil {
		return err
	}
	again, err := s.DecryptWithLabel(priv, e.Label, e.Context, output, ciphertext)
	return errors.Join(err, expect("plaintext", plaintext, e.Plaintext), expect("own plaintext", again, e.Plaintext))
}

type secretTree struct {
	Suite      uint16 `json:"cipher_suite"`
	SenderData struct {
		Secret                 octets `json:"sender_data_secret"`
		Ciphertext, Key, Nonce octets
	} `json:"sender_data"`
	Encryption octets `json:"encryption_secret"`
	Leaves     [][]struct {
		Generation       uint32
		ApplicationKey   octets `json:"application_key"`
		ApplicationNonce octets `json:"application_nonce"`
		HandshakeKey     octets `json:"handshake_key"`
		HandshakeNonce   octets `json:"handshake_nonce"`
	}
}

func verifySecretTree(v *secretTree) error {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return err
	}
	key, nonce := framing.SenderKeys(s, v.SenderData.Secret, v.SenderData.Ciphertext)
	err = errors.Join(expect("sender data key", key, v.SenderData.Key), expect("sender data nonce", nonce, v.SenderData.Nonce))
	t := schedule.NewSecretTree(s, tree.Capacity(uint32(len(v.Leaves))), v.Encryption)
	for leaf, generations := range v.Leaves {
		for _, g := range generations {
			err = errors.Join(err,
				takeKeys(t, uint32(leaf), schedule.Application, g.Generation, g.ApplicationKey, g.ApplicationNonce),
				takeKeys(t, uint32(leaf), schedule.Handshake, g.Generation, g.HandshakeKey, g.HandshakeNonce))
		}
	}
	return err
}

func takeKeys(t *schedule.SecretTree, leaf uint32, kind schedule.Kind, generation uint32, key, nonce []byte) error {
	step, err := t.Take(leaf, kind, generation)
	if err != nil {
		return err
	}
	t.Apply(step)
	what := fmt.Sprintf("leaf %d generation %d", leaf, generation)
	return errors.Join(expect(what+" key", step.Keys.Key, key), expect(what+" nonce", step.Keys.Nonce, nonce))
}

type keySchedule struct {
	Suite      uint16 `json:"cipher_suite"`
	GroupID    octets `json:"group_id"`
	InitSecret octets `json:"initial_init_secret"`
	Epochs     []struct {
		TreeHash        octets `json:"tree_hash"`
		CommitSecret    octets `json:"commit_secret"`
		PSKSecret       octets `json:"psk_secret"`
		Confirmed       octets `json:"confirmed_transcript_hash"`
		GroupContext    octets `json:"group_context"`
		Joiner          octets `json:"joiner_secret"`
		Welcome         octets `json:"welcome_secret"`
		Init            octets `json:"init_secret"`
		SenderData      octets `json:"sender_data_secret"`
		Encryption      octets `json:"encryption_secret"`
		ExporterSecret  octets `json:"exporter_secret"`
		Authenticator   octets `json:"epoch_authenticator"`
		ExternalSecret  octets `json:"external_secret"`
		ConfirmationKey octets `json:"confirmation_key"`
		MembershipKey   octets `json:"membership_key"`
		Resumption      octets `json:"resumption_psk"`
		ExternalPub     octets `json:"external_pub"`
		Exporter        struct {
			Label           string
			Context, Secret octets
			Length          int
		}
	}
}

func verifyKeySchedule(v *keySchedule) error {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return err
	}
	initSecret := []byte(v.InitSecret)
	for i, e := range v.Epochs {
		context := wire.Marshal(&wire.GroupContext{
			Version: wire.MLS10, Suite: v.Suite, GroupID: v.GroupID, Epoch: uint64(i),
			TreeHash: e.TreeHash, ConfirmedTranscript: e.Confirmed,
		})
		psk := []byte(e.PSKSecret)
		if psk == nil {
			psk = make([]byte, s.Nh)
		}
		joiner := schedule.Joiner(s, initSecret, e.CommitSecret, context)
		welcome, _, _ := schedule.Welcome(s, joiner, psk)
		secrets, encryption := schedule.FromJoiner(s, joiner, psk, context)
		external, err := s.DeriveKeyPair(secrets.ExternalSecret)
		if err != nil {
			return err
		}
		if err := lengths(s, e.Exporter.Length); err != nil {
			return err
		}
		if err := errors.Join(
			expect("group context", context, e.GroupContext), expect("joiner secret", joiner, e.Joiner),
			expect("welcome secret", welcome, e.Welcome), expect("init secret", secrets.InitSecret, e.Init),
			expect("sender data secret", secrets.SenderData, e.SenderData), expect("encryption secret", encryption, e.Encryption),
			expect("exporter secret", secrets.Exporter, e.ExporterSecret), expect("authenticator", secrets.Authenticator, e.Authenticator),
			expect("external secret", secrets.ExternalSecret, e.ExternalSecret), expect("confirmation key", secrets.ConfirmationKey, e.ConfirmationKey),
			expect("membership key", secrets.MembershipKey, e.MembershipKey), expect("resumption", secrets.Resumption, e.Resumption),
			expect("external pub", external.Public(), e.ExternalPub),
			expect("exported", secrets.Export(s, e.Exporter.Label, e.Exporter.Context, e.Exporter.Length), e.Exporter.Secret),
		); err != nil {
			return fmt.Errorf("epoch %d: %w", i, err)
		}
		initSecret = secrets.InitSecret
	}
	return nil
}

type pskSecret struct {
	Suite uint16 `json:"cipher_suite"`
	PSKs  []struct {
		ID    octets `json:"psk_id"`
		PSK   octets
		Nonce octets `json:"psk_nonce"`
	}
	Secret octets `json:"psk_secret"`
}

func verifyPSKSecret(v *pskSecret) error {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return err
	}
	var keys []schedule.PSK
	for _, p := range v.PSKs {
		keys = append(keys, schedule.PSK{ID: &wire.PSKID{Type: wire.PSKExternal, ID: p.ID, Nonce: p.Nonce}, Secret: p.PSK})
	}
	return expect("psk secret", schedule.PSKSecret(s, keys), v.Secret)
}

type transcript struct {
	Suite           uint16 `json:"cipher_suite"`
	ConfirmationKey octets `json:"confirmation_key"`
	Content         octets `json:"authenticated_content"`
	InterimBefore   octets `json:"interim_transcript_hash_before"`
	ConfirmedAfter  octets `json:"confirmed_transcript_hash_after"`
	InterimAfter    octets `json:"interim_transcript_hash_after"`
}

func verifyTranscript(v *transcript) error {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return err
	}
	r := wire.NewReader(v.Content)
	a := r.AuthenticatedContent()
	if err := r.Done(); err != nil {
		return err
	}
	if a.Content.Type != wire.ContentCommit {
		return errors.New("content is no commit")
	}
	confirmed := schedule.Confirmed(s, v.InterimBefore, a)
	if !s.VerifyMAC(v.ConfirmationKey, v.ConfirmedAfter, a.Auth.ConfirmationTag) {
		return errors.New("confirmation tag does not verify")
	}
	return errors.Join(
		expect("confirmed transcript hash", confirmed, v.ConfirmedAfter),
		expect("interim transcript hash", schedule.Interim(s, confirmed, a.Auth.ConfirmationTag), v.InterimAfter))
}
