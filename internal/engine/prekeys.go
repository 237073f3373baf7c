package engine

import (
	"fmt"
	"slices"
	"time"

	"kith/internal/engine/statepb"
	"kith/pqxdh"
)

// lasting makes sure that the prekeys which serve many handshakes are fresh, and
// erases those that are past every use. Spec: contact.md 8.
func (s *step) lasting() (*statepb.Prekeys, error) {
	row := &statepb.Prekeys{}
	if _, err := s.load(keyPrekeys, row); err != nil {
		return nil, err
	}
	gone := func(k *statepb.SignedPrekey) bool {
		return s.now.Sub(time.UnixMilli(k.GetCreatedMs())) > SignedPrekeyValid+pqxdh.AcceptGrace
	}
	before := len(row.GetSigned()) + len(row.GetLastResort())
	row.Signed, row.LastResort = slices.DeleteFunc(row.Signed, gone), slices.DeleteFunc(row.LastResort, gone)
	if s.fresh(row.GetSigned()) && s.fresh(row.GetLastResort()) && before == len(row.Signed)+len(row.LastResort) {
		return row, nil
	}
	signer, owner, end := s.self.device.SigningPrivate(), s.pqIdentity().Public(), s.now.Add(SignedPrekeyValid).Unix()
	if !s.fresh(row.GetSigned()) {
		key, err := pqxdh.NewSignedPrekey(signer, owner, s.nextPrekey(), end)
		if err != nil {
			return nil, err
		}
		if row.Signed, err = s.newest(row.Signed, key); err != nil {
			return nil, err
		}
	}
	if !s.fresh(row.GetLastResort()) {
		key, err := pqxdh.NewKEMPrekey(signer, owner, s.nextPrekey(), end, true)
		if err != nil {
			return nil, err
		}
		if row.LastResort, err = s.newest(row.LastResort, key); err != nil {
			return nil, err
		}
	}
	if err := s.save(keySelf, s.self.row); err != nil {
		return nil, err
	}
	return row, s.save(keyPrekeys, row)
}

// fresh reports whether the newest key may go into new bundles. A clock that was
// set back gives a negative age: then there has to be a new one, too.
func (s *step) fresh(keys []*statepb.SignedPrekey) bool {
	if len(keys) == 0 {
		return false
	}
	age := s.now.Sub(time.UnixMilli(keys[0].GetCreatedMs()))
	return age >= 0 && age < SignedPrekeyLife
}

func (s *step) newest(keys []*statepb.SignedPrekey, key interface{ MarshalBinary() ([]byte, error) }) ([]*statepb.SignedPrekey, error) {
	private, err := key.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return slices.Insert(keys, 0, &statepb.SignedPrekey{Private: private, CreatedMs: s.now.UnixMilli()}), nil
}

// signedPrekey returns the signed prekey that new bundles carry.
func (s *step) signedPrekey() (*pqxdh.PrivateSignedPrekey, error) {
	row, err := s.lasting()
	if err != nil {
		return nil, err
	}
	return pqxdh.ParsePrivateSignedPrekey(row.GetSigned()[0].GetPrivate())
}

// takeOneTime takes a pair of one-time prekeys out of the pool and returns its
// number, or 0 if the pool is empty.
func (s *step) takeOneTime() (uint32, error) {
	keys, err := s.StateKeys(prefixOneTime)
	if err != nil {
		return 0, err
	}
	for _, k := range keys {
		row := &statepb.OneTime{}
		if ok, err := s.load(k, row); err != nil {
			return 0, err
		} else if !ok || row.GetGivenS() != 0 || s.oneTimeOver(row, 0) {
			continue
		}
		row.GivenS = s.now.Unix()
		key, err := pqxdh.ParsePrivateOneTimePrekey(row.GetOneTime())
		if err != nil {
			return 0, fmt.Errorf("engine: one-time row: %w", err)
		}
		return key.Public.ID, s.save(k, row)
	}
	return 0, nil
}

func (s *step) oneTimeOver(row *statepb.OneTime, grace time.Duration) bool {
	return s.now.Sub(time.Unix(row.GetCreatedS(), 0)) > OneTimeLife+grace
}

// bundle makes a bundle with a pair of one-time prekeys, or with the last resort
// if the number is 0 or the pair is gone.
func (s *step) bundle(oneTime uint32) (*pqxdh.Bundle, error) {
	lasting, err := s.lasting()
	if err != nil {
		return nil, err
	}
	signed, err := pqxdh.ParsePrivateSignedPrekey(lasting.GetSigned()[0].GetPrivate())
	if err != nil {
		return nil, fmt.Errorf("engine: prekeys row: %w", err)
	}
	owner := s.pqIdentity().Public()
	if ec, kem, ok, err := s.oneTime(oneTime); err != nil {
		return nil, err
	} else if ok {
		return pqxdh.NewBundle(owner, signed, ec, kem), nil
	}
	kem, err := pqxdh.ParsePrivateKEMPrekey(lasting.GetLastResort()[0].GetPrivate())
	if err != nil {
		return nil, fmt.Errorf("engine: prekeys row: %w", err)
	}
	return pqxdh.NewBundle(owner, signed, nil, kem), nil
}

// oneTime reads a pair of one-time prekeys that was handed out.
func (s *step) oneTime(id uint32) (ec *pqxdh.PrivateOneTimePrekey, kem *pqxdh.PrivateKEMPrekey, ok bool, err error) {
	row := &statepb.OneTime{}
	if id == 0 {
		return nil, nil, false, nil
	}
	if ok, err = s.load(oneTimeKey(id), row); err != nil || !ok {
		return nil, nil, false, err
	}
	if ec, err = pqxdh.ParsePrivateOneTimePrekey(row.GetOneTime()); err != nil {
		return nil, nil, false, fmt.Errorf("engine: one-time row: %w", err)
	}
	if kem, err = pqxdh.ParsePrivateKEMPrekey(row.GetKem()); err != nil {
		return nil, nil, false, fmt.Errorf("engine: one-time row: %w", err)
	}
	return ec, kem, true, nil
}

// named looks up the prekeys an initial of a contact names, and how long the
// longest-lived of them is accepted. Prekeys that are not there are refused: used
// before, expired, or never ours.
func (s *step) named(initial *pqxdh.Initial) (keys pqxdh.Prekeys, until time.Time, err error) {
	if initial.HasOneTime != initial.OneTimeKEM {
		return keys, until, ErrRefused
	}
	lasting := &statepb.Prekeys{}
	if _, err := s.load(keyPrekeys, lasting); err != nil {
		return keys, until, err
	}
	for _, k := range lasting.GetSigned() {
		key, err := pqxdh.ParsePrivateSignedPrekey(k.GetPrivate())
		if err != nil {
			return keys, until, fmt.Errorf("engine: prekeys row: %w", err)
		}
		if key.Public.ID == initial.SignedID {
			keys.Signed, until = key, time.Unix(key.Public.NotAfter, 0).Add(pqxdh.AcceptGrace)
		}
	}
	if initial.HasOneTime {
		if keys.OneTime, keys.KEM, _, err = s.oneTime(initial.OneTimeID); err != nil {
			return keys, until, err
		}
	}
	for _, k := range lasting.GetLastResort() {
		key, err := pqxdh.ParsePrivateKEMPrekey(k.GetPrivate())
		if err != nil {
			return keys, until, fmt.Errorf("engine: prekeys row: %w", err)
		}
		if !initial.HasOneTime && key.Public.ID == initial.KEMID {
			keys.KEM = key
		}
	}
	if keys.Signed == nil || keys.KEM == nil || initial.HasOneTime && keys.OneTime == nil {
		return keys, until, ErrRefused
	}
	// The signed prekey and the last resort are of one age: a replay is good for
	// nothing once the longer-lived of the two is gone.
	if end := time.Unix(keys.KEM.Public.NotAfter, 0).Add(pqxdh.AcceptGrace); end.After(until) {
		until = end
	}
	return keys, until, nil
}

// tendPrekeys fills the pool, and erases what is past its use.
func (s *step) tendPrekeys() error {
	if _, err := s.lasting(); err != nil {
		return err
	}
	keys, err := s.StateKeys(prefixOneTime)
	if err != nil {
		return err
	}
	ready := 0
	for _, k := range keys {
		row := &statepb.OneTime{}
		if ok, err := s.load(k, row); err != nil {
			return err
		} else if !ok {
			continue
		}
		switch {
		case s.oneTimeOver(row, pqxdh.AcceptGrace):
			s.up.State[k] = nil
		case row.GetGivenS() == 0 && !s.oneTimeOver(row, 0):
			ready++
		}
	}
	if ready < PrekeyLow {
		for range PrekeyPool - ready {
			if err := s.newOneTime(); err != nil {
				return err
			}
		}
		if err := s.save(keySelf, s.self.row); err != nil {
			return err
		}
	}
	return s.forgetAccepted()
}

func (s *step) newOneTime() error {
	signer, owner, end := s.self.device.SigningPrivate(), s.pqIdentity().Public(), s.now.Add(OneTimeLife).Unix()
	ec, err := pqxdh.NewOneTimePrekey(signer, owner, s.nextPrekey(), end)
	if err != nil {
		return err
	}
	kem, err := pqxdh.NewKEMPrekey(signer, owner, s.nextPrekey(), end, false)
	if err != nil {
		return err
	}
	row := &statepb.OneTime{CreatedS: s.now.Unix()}
	if row.OneTime, err = ec.MarshalBinary(); err != nil {
		return err
	}
	if row.Kem, err = kem.MarshalBinary(); err != nil {
		return err
	}
	return s.save(oneTimeKey(ec.Public.ID), row)
}

// forgetAccepted forgets the initials whose prekeys are gone.
func (s *step) forgetAccepted() error {
	keys, err := s.StateKeys(prefixAccepted)
	if err != nil {
		return err
	}
	for _, k := range keys {
		row := &statepb.Accepted{}
		if _, err := s.load(k, row); err != nil {
			return err
		}
		if s.now.Unix() > row.GetUntilS() {
			s.up.State[k] = nil
		}
	}
	return nil
}

// OneTimePrekeys returns how many pairs of one-time prekeys are left for contacts
// whose sessions have to be made anew. At zero they get the last resort, and what
// they send first has less forward secrecy. An error is local.
func OneTimePrekeys(v View) (int, error) {
	s := &step{View: v, up: &Update{}}
	keys, err := s.StateKeys(prefixOneTime)
	ready := 0
	for _, k := range keys {
		row := &statepb.OneTime{}
		if _, err := s.load(k, row); err != nil {
			return 0, err
		}
		if row.GetGivenS() == 0 {
			ready++
		}
	}
	return ready, err
}
