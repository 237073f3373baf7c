package engine

import (
	"fmt"

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
