package pqxdh

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

var (
	errIdentity = errors.New("pqxdh: own identity has no X25519 key")
	errPSK      = errors.New("pqxdh: the invite secret is not 32 bytes")
)

// maxMaterial is the most that enters the KDF: discontinuity bytes, four DH
// outputs, the KEM's shared key and the invite's secret.
const maxMaterial = 7 * keySize

// discontinuity keeps the KDF input apart from any encoded curve key (X3DH
// section 2.2).
func discontinuity() []byte {
	return append(make([]byte, 0, maxMaterial), bytes.Repeat([]byte{0xff}, keySize)...)
}

// Initiate computes secrets shared with the owner of a bundle, and what to send
// him. psk is the secret of a one-time invite ([PSKSize] bytes) or nil. All
// signatures are verified first, then expiry at now. [ErrRefused] and [ErrExpired]
// blame the bundle; other errors are the caller's fault. The caller must know
// that the account certified the bundle's device and identity key, and must use
// a bundle with one-time prekeys only once.
// Spec: PQXDH revision 3 section 3.3, docs/spec/pqxdh.md section 6.
func Initiate(self Identity, peer *Bundle, psk []byte, now time.Time) (*Initial, *Secrets, error) {
	if err := checkLocal(self, psk); err != nil {
		return nil, nil, err
	}
	ek, err := peer.verify(now)
	if err != nil {
		return nil, nil, err
	}
	h := &handshake{responder: Owner{peer.Owner, peer.Identity}, signed: &peer.Signed, oneTime: peer.OneTime, kem: &peer.KEM}
	if err := checkPeers(self.Public(), h.responder); err != nil {
		return nil, nil, err
	}
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("pqxdh: ephemeral key: %w", err)
	}
	h.initial = newInitial(self, peer, ephemeral, psk)
	shared, ciphertext := ek.Encapsulate()
	defer clear(shared)
	copy(h.initial.Ciphertext[:], ciphertext)

	material, err := initiatorMaterial(self.DH, ephemeral, peer)
	if err != nil {
		return nil, nil, err
	}
	s, err := h.derive(append(append(material, shared...), psk...))
	if err != nil {
		return nil, nil, err
	}
	if s.PeerRatchet, err = ecdh.X25519().NewPublicKey(peer.Signed.Key[:]); err != nil {
		return nil, nil, ErrRefused
	}
	return h.initial, s, nil
}

func newInitial(self Identity, peer *Bundle, ephemeral *ecdh.PrivateKey, psk []byte) *Initial {
	in := &Initial{
		Sender:     self.Address,
		Identity:   publicBytes(self.DH),
		Ephemeral:  publicBytes(ephemeral),
		SignedID:   peer.Signed.ID,
		KEMID:      peer.KEM.ID,
		OneTimeKEM: peer.KEM.OneTime,
		PSK:        len(psk) != 0,
	}
	if peer.OneTime != nil {
		in.HasOneTime, in.OneTimeID = true, peer.OneTime.ID
	}
	return in
}

// step is one Diffie-Hellman of the handshake.
type step struct {
	private *ecdh.PrivateKey
	public  *[keySize]byte
}

// initiatorMaterial returns the discontinuity bytes and DH1 to DH4.
func initiatorMaterial(identity, ephemeral *ecdh.PrivateKey, peer *Bundle) ([]byte, error) {
	steps := []step{{identity, &peer.Signed.Key}, {ephemeral, &peer.Identity}, {ephemeral, &peer.Signed.Key}}
	if peer.OneTime != nil {
		steps = append(steps, step{ephemeral, &peer.OneTime.Key})
	}
	return runSteps(steps)
}

// responderMaterial mirrors initiatorMaterial.
func responderMaterial(identity *ecdh.PrivateKey, keys Prekeys, in *Initial) ([]byte, error) {
	steps := []step{{keys.Signed.dh, &in.Identity}, {identity, &in.Ephemeral}, {keys.Signed.dh, &in.Ephemeral}}
	if keys.OneTime != nil {
		steps = append(steps, step{keys.OneTime.dh, &in.Ephemeral})
	}
	return runSteps(steps)
}

func runSteps(steps []step) ([]byte, error) {
	material := discontinuity()
	for _, s := range steps {
		next, err := agree(material, s.private, s.public)
		if err != nil {
			clear(material)
			return nil, err
		}
		material = next
	}
	return material, nil
}

// Prekeys are the private prekeys an [Initial] names, looked up by the caller.
type Prekeys struct {
	Signed  *PrivateSignedPrekey
	OneTime *PrivateOneTimePrekey // nil unless Initial.HasOneTime
	KEM     *PrivateKEMPrekey
}

// Accept computes the secrets the sender of an initial computed, if it is
// honest. psk is the secret of the invite the prekeys belong to, or nil; a
// missing and a surplus one are refused alike. [ErrRefused] and [ErrExpired]
// (beyond [AcceptGrace]) blame the initial, [ErrWrongPrekey] and others the
// caller. Success proves nothing yet: a ciphertext or address that was tampered
// with leads to secrets that open no message. Keep the prekeys until one opened.
// The caller must know that the sender's account certified in.Identity.
// Spec: PQXDH revision 3 section 3.4, docs/spec/pqxdh.md section 7.
func Accept(self Identity, keys Prekeys, in *Initial, psk []byte, now time.Time) (*Secrets, error) {
	if err := checkLocal(self, psk); err != nil {
		return nil, err
	}
	if err := keys.check(in, now); err != nil {
		return nil, err
	}
	if err := checkInitial(self, in, psk); err != nil {
		return nil, err
	}
	material, err := responderMaterial(self.DH, keys, in)
	if err != nil {
		return nil, err
	}
	shared, err := keys.KEM.dk.Decapsulate(in.Ciphertext[:])
	if err != nil {
		clear(material)
		return nil, ErrRefused
	}
	defer clear(shared)
	h := &handshake{initial: in, responder: self.Public(), signed: &keys.Signed.Public, kem: &keys.KEM.Public}
	if keys.OneTime != nil {
		h.oneTime = &keys.OneTime.Public
	}
	s, err := h.derive(append(append(material, shared...), psk...))
	if err != nil {
		return nil, err
	}
	s.SelfRatchet = keys.Signed.dh
	return s, nil
}

// check compares the prekeys with what the initial names, then their age.
func (k Prekeys) check(in *Initial, now time.Time) error {
	if k.Signed == nil || k.KEM == nil || (k.OneTime != nil) != in.HasOneTime ||
		k.Signed.Public.ID != in.SignedID || k.KEM.Public.ID != in.KEMID ||
		k.KEM.Public.OneTime != in.OneTimeKEM ||
		k.OneTime != nil && k.OneTime.Public.ID != in.OneTimeID {
		return ErrWrongPrekey
	}
	signed, kem := k.Signed.Public.record(), k.KEM.Public.record()
	if signed.expired(now, AcceptGrace) || kem.expired(now, AcceptGrace) {
		return ErrExpired
	}
	if k.OneTime != nil {
		if oneTime := k.OneTime.Public.record(); oneTime.expired(now, AcceptGrace) {
			return ErrExpired
		}
	}
	return nil
}

// checkInitial checks the sender's keys, also of an Initial that was not parsed.
func checkInitial(self Identity, in *Initial, psk []byte) error {
	if in.PSK != (len(psk) != 0) {
		return ErrRefused
	}
	if err := checkCurveKey(&in.Identity); err != nil {
		return err
	}
	if err := checkCurveKey(&in.Ephemeral); err != nil {
		return err
	}
	return checkPeers(Owner{in.Sender, in.Identity}, self.Public())
}

func checkLocal(self Identity, psk []byte) error {
	if !isX25519(self.DH) {
		return errIdentity
	}
	if len(psk) != 0 && len(psk) != PSKSize {
		return errPSK
	}
	return nil
}

var _ [mlkem.EncapsulationKeySize1024]byte = [mlkem.CiphertextSize1024]byte{} // readKEM relies on it
