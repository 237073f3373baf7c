package mls_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"kith/mls"
)

func TestKeyPackage_survivesStorage(t *testing.T) {
	for _, s := range mls.Suites() {
		w := &world{t: t, suite: s}
		c := w.newcomer().client
		k := w.keyPackage(&peer{client: c})
		b, err := k.MarshalBinary()
		w.must(err)
		again, err := mls.ParsePrivateKeyPackage(b)
		w.must(err)
		if !bytes.Equal(again.Message(), k.Message()) || !bytes.Equal(again.Ref(), k.Ref()) || again.Suite() != s {
			t.Errorf("%s: another key package", s)
		}
		for _, bad := range [][]byte{nil, b[1:], b[:len(b)-1], append(bytes.Clone(b), 0), append([]byte{2}, b[1:]...)} {
			if _, err := mls.ParsePrivateKeyPackage(bad); !errors.Is(err, mls.ErrState) {
				t.Errorf("%s: %v", s, err)
			}
		}
		from, to := k.Lifetime()
		if !from.Equal(noon.Add(-time.Hour)) || !to.Equal(noon.Add(time.Hour)) || string(k.Member().Credential.Identity) != "client 1" {
			t.Errorf("%s: %v to %v of %v", s, from, to, k.Member())
		}
	}
}

func TestKeyPackage_argumentsAreChecked(t *testing.T) {
	w := &world{t: t, suite: mls.X25519AES128}
	c := w.newcomer().client
	k := w.keyPackage(&peer{client: c})
	if _, err := c.NewKeyPackage(noon, noon); err == nil {
		t.Error("a lifetime of nothing")
	}
	if _, err := c.NewKeyPackage(time.Unix(-1, 0), noon); err == nil {
		t.Error("a lifetime before 1970")
	}
	if _, err := (&mls.Client{Suite: 99, Signer: c.Signer}).NewKeyPackage(noon, noon.Add(1)); err == nil {
		t.Error("an unknown suite")
	}
	if _, err := mls.Suite(99).GenerateSigner(); err == nil {
		t.Error("a signer of an unknown suite")
	}
	g, err := c.Create(nil, noon)
	w.must(err)
	info, err := g.GroupInfo(mls.GroupInfoOptions{})
	w.must(err)
	for _, bad := range [][]byte{nil, info, append(k.Message(), 0)} {
		if _, err := mls.ImportKeyPackage(bad, nil, nil); err == nil {
			t.Error("imported what is no key package")
		}
	}
	unknown := k.Message()
	unknown[7] = 99 // cipher suite, low byte
	if _, err := mls.ImportKeyPackage(unknown, nil, nil); err == nil {
		t.Error("imported a key package of an unknown suite")
	}
	if _, err := mls.ImportKeyPackage(k.Message(), []byte("no key"), nil); err == nil {
		t.Error("imported with an init key that is none")
	}
	other := newWorld(t, mls.P256AES128, 1).peers[0].client
	if _, err := g.Commit(mls.CommitOptions{Client: other}); err == nil {
		t.Error("became a client of another suite")
	}
	if _, err := g.ProposeUpdate(other, mls.MessageOptions{}); err == nil {
		t.Error("proposed to become a client of another suite")
	}
	if _, _, err := g.Reinitialise(c, mls.CommitOptions{}); err == nil {
		t.Error("reinitialised a group that goes on")
	}
	if s := mls.XWingAES256; s.HashSize() != 48 || s.String() != "MLS_256_XWING_AES256GCM_SHA384_Ed25519" || mls.Suite(99).String() != "Suite(99)" || mls.Suite(99).HashSize() != 0 {
		t.Error("names")
	}
}
