package engine

import (
	"fmt"
	"time"

	"kith/internal/engine/statepb"
	"kith/pqxdh"
	"kith/ratchet"
)

// pqIdentity is this device as package pqxdh knows it.
func (s *step) pqIdentity() pqxdh.Identity {
	return pqxdh.Identity{
		Address: pqxdh.Address{Account: s.self.account, Device: s.self.device.ID()},
		DH:      s.self.device.IdentityPrivate(),
	}
}

// signedPrekey returns the signed prekey that new invites carry, and makes a
// new one when the last is [SignedPrekeyLife] old. Each invite keeps its own
// copy of the private half, so old ones are kept here for nobody.
func (s *step) signedPrekey() (*pqxdh.PrivateSignedPrekey, error) {
	row := &statepb.Prekeys{}
	if _, err := s.load(keyPrekeys, row); err != nil {
		return nil, err
	}
	if keys := row.GetSigned(); len(keys) > 0 {
		age := s.now.Sub(time.UnixMilli(keys[0].GetCreatedMs()))
		// A clock that was set back gives a negative age: then too a new one.
		if age >= 0 && age < SignedPrekeyLife {
			return pqxdh.ParsePrivateSignedPrekey(keys[0].GetPrivate())
		}
	}
	key, err := pqxdh.NewSignedPrekey(s.self.device.SigningPrivate(), s.pqIdentity().Public(), s.nextPrekey(),
		s.now.Add(SignedPrekeyValid).Unix())
	if err != nil {
		return nil, err
	}
	private, err := key.MarshalBinary()
	if err != nil {
		return nil, err
	}
	row.Signed = []*statepb.SignedPrekey{{Private: private, CreatedMs: s.now.UnixMilli()}}
	return key, s.save(keyPrekeys, row)
}

// inviteKeys reads the private prekeys of an invite.
func inviteKeys(row *statepb.Invite) (keys pqxdh.Prekeys, err error) {
	if keys.Signed, err = pqxdh.ParsePrivateSignedPrekey(row.GetSigned()); err != nil {
		return keys, fmt.Errorf("engine: invite row: %w", err)
	}
	if keys.OneTime, err = pqxdh.ParsePrivateOneTimePrekey(row.GetOneTime()); err != nil {
		return keys, fmt.Errorf("engine: invite row: %w", err)
	}
	if keys.KEM, err = pqxdh.ParsePrivateKEMPrekey(row.GetKem()); err != nil {
		return keys, fmt.Errorf("engine: invite row: %w", err)
	}
	return keys, nil
}

// initiatorSession and responderSession seed a session from the handshake's
// secrets and erase them.
func initiatorSession(sec *pqxdh.Secrets) (*ratchet.Session, []byte, error) {
	defer sec.Wipe()
	seed := ratchetSecrets(sec)
	defer seed.Wipe()
	session, err := ratchet.NewInitiator(seed, sec.PeerRatchet)
	return session, append([]byte(nil), sec.AD...), err
}

func responderSession(sec *pqxdh.Secrets) (*ratchet.Session, []byte, error) {
	defer sec.Wipe()
	seed := ratchetSecrets(sec)
	defer seed.Wipe()
	session, err := ratchet.NewResponder(seed, sec.SelfRatchet)
	return session, append([]byte(nil), sec.AD...), err
}

func ratchetSecrets(sec *pqxdh.Secrets) *ratchet.Secrets {
	return &ratchet.Secrets{Root: sec.Root, HeaderA: sec.HeaderA, HeaderB: sec.HeaderB, PQ: sec.PQ}
}
