package pqxdh_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/mlkem"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"kith/pqxdh"
)

// This file is a second implementation of docs/spec/pqxdh.md by concatenation.
// Tests use it to check the first, and to sign what the first refuses to sign.

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func label(s string) []byte { return append([]byte{byte(len(s))}, s...) }

func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
func u64(v int64) []byte  { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

var (
	prologue = []byte{1, 0, 1}
	ecTag    = []byte{0x05}
	kemTag   = []byte{0x0a}
)

// refBody is PrekeyBody, section 5. tagged is the tag and the key.
func refBody(kind uint8, id uint32, notAfter int64, tagged []byte) []byte {
	return cat([]byte{kind}, u32(id), u64(notAfter), tagged)
}

// refSign signs a prekey as its owner's device would, whatever the prekey.
func (d device) refSign(kind uint8, id uint32, notAfter int64, tagged []byte) [64]byte {
	o := d.Public()
	oneTime := []byte{0}
	if kind == 2 || kind == 3 {
		oneTime[0] = 1
	}
	return [64]byte(ed25519.Sign(d.signer, cat(label("kith v1 pqxdh prekey"), prologue, o.Account[:], o.Device[:],
		ecTag, o.Identity[:], oneTime, refBody(kind, id, notAfter, tagged))))
}

// sign signs all prekeys of a bundle as they are.
func (d device) sign(b *pqxdh.Bundle) {
	b.Signed.Signature = d.refSign(1, b.Signed.ID, b.Signed.NotAfter, cat(ecTag, b.Signed.Key[:]))
	if b.OneTime != nil {
		b.OneTime.Signature = d.refSign(2, b.OneTime.ID, b.OneTime.NotAfter, cat(ecTag, b.OneTime.Key[:]))
	}
	b.KEM.Signature = d.refSign(kemKind(b.KEM.OneTime), b.KEM.ID, b.KEM.NotAfter, cat(kemTag, b.KEM.Key[:]))
}

func kemKind(oneTime bool) uint8 {
	if oneTime {
		return 3
	}
	return 4
}

// refSecrets is section 8, from the responder's keys as stored.
func refSecrets(t testing.TB, self device, keys pqxdh.Prekeys, in *pqxdh.Initial, psk []byte) (out, ad []byte) {
	t.Helper()
	public, identity := self.Public(), self.DH.Bytes()
	signed := stored(t, keys.Signed)
	material := bytes.Repeat([]byte{0xff}, 32)
	material = append(material, refDH(t, signed, in.Identity[:])...)
	material = append(material, refDH(t, identity, in.Ephemeral[:])...)
	material = append(material, refDH(t, signed, in.Ephemeral[:])...)
	var flags byte
	oneTime := []byte{}
	if keys.OneTime != nil {
		flags |= 1
		p := keys.OneTime.Public
		material = append(material, refDH(t, stored(t, keys.OneTime), in.Ephemeral[:])...)
		oneTime = refBody(2, p.ID, p.NotAfter, cat(ecTag, p.Key[:]))
	}
	dk, err := mlkem.NewDecapsulationKey1024(stored(t, keys.KEM))
	if err != nil {
		t.Fatal(err)
	}
	ss, err := dk.Decapsulate(in.Ciphertext[:])
	if err != nil {
		t.Fatal(err)
	}
	material = cat(material, ss, psk)
	if psk != nil {
		flags |= 2
	}
	if keys.KEM.Public.OneTime {
		flags |= 4
	}
	s, k := keys.Signed.Public, keys.KEM.Public
	th := sha256.Sum256(cat(label("kith v1 pqxdh transcript"), prologue, []byte{flags},
		in.Sender.Account[:], in.Sender.Device[:], public.Account[:], public.Device[:],
		ecTag, in.Identity[:], ecTag, public.Identity[:], ecTag, in.Ephemeral[:],
		refBody(1, s.ID, s.NotAfter, cat(ecTag, s.Key[:])), oneTime,
		refBody(kemKind(k.OneTime), k.ID, k.NotAfter, cat(kemTag, k.Key[:])), kemTag, in.Ciphertext[:]))
	out, err = hkdf.Key(sha256.New, material, make([]byte, 32), "kith v1 pqxdh secrets X25519 SHA-256 ML-KEM-1024"+string(th[:]), 160)
	if err != nil {
		t.Fatal(err)
	}
	return out, cat(prologue, ecTag, in.Identity[:], ecTag, public.Identity[:], th[:])
}

// stored returns the secret inside a private prekey's encoding, section 9.
func stored(t testing.TB, p interface{ MarshalBinary() ([]byte, error) }) []byte {
	t.Helper()
	b, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b[16 : len(b)-64]
}

func refDH(t testing.TB, private, public []byte) []byte {
	t.Helper()
	k, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	z, err := k.ECDH(p)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// concat returns the five secrets in their order.
func concat(s *pqxdh.Secrets) []byte {
	return cat(s.Root[:], s.HeaderA[:], s.HeaderB[:], s.PQ[:], s.Exporter[:])
}
