package engine

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"kith/identity"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// Row keys and prefixes, docs/spec/store.md section "state".
const (
	keySelf        StateKey = "self"
	keyPrekeys     StateKey = "prekeys"
	prefixInvite            = "invite/"
	prefixContact           = "contact/"
	prefixSessions          = "sessions/"
	prefixDevice            = "device/"
	prefixOneTime           = "onetime/"
	prefixAccepted          = "accepted/"
)

func inviteKey(id wire.InviteID) StateKey { return StateKey(prefixInvite + hex.EncodeToString(id[:])) }
func contactKey(a identity.AccountID) StateKey {
	return StateKey(prefixContact + hex.EncodeToString(a[:]))
}
func sessionsKey(d identity.DeviceID) StateKey {
	return StateKey(prefixSessions + hex.EncodeToString(d[:]))
}
func oneTimeKey(id uint32) StateKey { return StateKey(fmt.Sprintf("%s%08x", prefixOneTime, id)) }
func acceptedKey(name [32]byte) StateKey {
	return StateKey(prefixAccepted + hex.EncodeToString(name[:]))
}
func deviceKey(d identity.DeviceID) StateKey {
	return StateKey(prefixDevice + hex.EncodeToString(d[:]))
}

// self is who this device is.
type self struct {
	row     *statepb.Self
	account identity.AccountID
	device  *identity.Device
	list    *identity.DeviceList
}

// Create makes a new account with its first device and returns the update
// that founds a store, and the account, whose recovery phrase the person must
// write down. The name must satisfy [wire.ValidName]; if not, the error is an
// [*Error].
func Create(account *identity.Account, name string, now time.Time) (*Update, error) {
	if !wire.ValidName(name) {
		return nil, badName(name)
	}
	device := identity.NewDevice()
	request, err := device.Request(account.ID(), identity.Terms{Created: uint64(now.Unix())})
	if err != nil {
		return nil, err
	}
	cert, err := account.Certify(request)
	if err != nil {
		return nil, err
	}
	list, err := account.SignList(nil, uint64(now.Unix()), []*identity.Certificate{cert})
	if err != nil {
		return nil, err
	}
	listBytes, err := list.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	secrets, err := identity.Secrets{Account: account, Device: device}.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	row, err := proto.Marshal(&statepb.Self{Secrets: secrets, DeviceList: listBytes, Name: name, NextPrekey: 1})
	if err != nil {
		return nil, err
	}
	return &Update{State: map[StateKey][]byte{keySelf: row}}, nil
}

func badName(name string) error {
	if len(name) > wire.MaxName {
		return &Error{Code: Invalid, Text: fmt.Sprintf("a name may have %d bytes, this one has %d", wire.MaxName, len(name))}
	}
	return &Error{Code: Invalid, Text: "a name must have at least one visible character and no control characters"}
}

// Self is what the outside may know of this device.
type Self struct {
	Account identity.AccountID
	Device  *identity.Device
	Name    string
}

// LoadSelf reads who this device is. An error is local: the store holds no
// account, or is damaged.
func LoadSelf(v View) (Self, error) {
	s := &step{View: v, up: &Update{}}
	me, err := s.loadSelf()
	if err != nil {
		return Self{}, err
	}
	return Self{Account: me.account, Device: me.device, Name: me.row.GetName()}, nil
}

func (s *step) loadSelf() (*self, error) {
	row := &statepb.Self{}
	if ok, err := s.load(keySelf, row); err != nil || !ok {
		return nil, fmt.Errorf("engine: no account in the store (%w)", err)
	}
	// Keys and signatures are the costly part, and hardly ever change.
	if s.kept != nil && s.kept.self != nil && bytes.Equal(s.kept.secrets, row.GetSecrets()) && bytes.Equal(s.kept.list, row.GetDeviceList()) {
		me := *s.kept.self
		me.row = row
		return &me, nil
	}
	secrets, err := identity.ParseSecrets(row.GetSecrets())
	if err != nil {
		return nil, fmt.Errorf("engine: row self: %w", err)
	}
	list, err := identity.ParseDeviceList(row.GetDeviceList())
	if err != nil {
		return nil, fmt.Errorf("engine: row self: %w", err)
	}
	me := &self{row: row, account: list.Account, device: secrets.Device, list: list}
	if s.kept != nil {
		s.kept.self, s.kept.secrets, s.kept.list = me, row.GetSecrets(), row.GetDeviceList()
	}
	return me, nil
}

// load reads a row into m and reports whether it exists.
func (s *step) load(k StateKey, m proto.Message) (bool, error) {
	b, err := s.State(k)
	if err != nil || b == nil {
		return false, err
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return false, fmt.Errorf("engine: row %s is damaged", k[:min(len(k), 8)])
	}
	return true, nil
}

// save decides that row k becomes m.
func (s *step) save(k StateKey, m proto.Message) error {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return err
	}
	s.up.State[k] = b
	return nil
}

// hello is what this device says first in every session.
func (s *step) hello() (*wire.Hello, error) {
	boxes, err := s.announce()
	return &wire.Hello{DeviceList: slices.Clone(s.self.row.GetDeviceList()), Name: s.self.row.GetName(), Boxes: boxes}, err
}
