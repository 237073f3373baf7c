package engine

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kith/box"
	"kith/identity"
	"kith/internal/chat"
	"kith/internal/deposit"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
	"kith/media"
)

// Files for a device that is away are left with relays. Spec: deposit.md.

// Upload asks to leave a file with relays; [Deposited] answers it when the relays
// have all of it. It is asked for again after every start.
type Upload struct {
	For    identity.DeviceID
	Root   [32]byte
	Key    deposit.Key
	Hour   uint32 // the last one relays are to keep it for, hours since 1970
	Relays []box.Relay
}

// EndUpload says that a file need not be left with relays any more.
type EndUpload struct {
	For  identity.DeviceID
	Root [32]byte
}

// Given says that a device left a file with relays.
type Given struct {
	From   identity.DeviceID
	Ref    media.Ref
	Key    deposit.Key
	Hour   uint32
	IDs    [][32]byte
	Relays []box.Relay
}

// EndGiven says that a file is not fetched from relays any more. If it is complete
// here, they can let its parts go.
type EndGiven struct {
	From     identity.DeviceID
	Root     [32]byte
	Complete bool
}

// DepositChange is something about files left with relays that the caller sees to:
// one of the four types above.
type DepositChange interface{ depositChange() }

func (Upload) depositChange()    {}
func (EndUpload) depositChange() {}
func (Given) depositChange()     {}
func (EndGiven) depositChange()  {}

// Deposited answers [Upload]: relays have all of the file's parts, which these ids
// name.
type Deposited struct {
	For  identity.DeviceID
	Root [32]byte
	IDs  [][32]byte
}

func (Deposited) input() {}

const (
	prefixLeft  = "left/"
	prefixGiven = "given/"
)

func depositPrefix(prefix string, d identity.DeviceID) string {
	return prefix + hex.EncodeToString(d[:]) + "/"
}

func depositKey(prefix string, d identity.DeviceID, root [32]byte) StateKey {
	return StateKey(depositPrefix(prefix, d) + hex.EncodeToString(root[:]))
}

// depositIn reads device and root from a row's key.
func depositIn(k StateKey, prefix string) (d identity.DeviceID, root [32]byte, err error) {
	device, file, _ := strings.Cut(strings.TrimPrefix(string(k), prefix), "/")
	b1, err1 := hex.DecodeString(device)
	b2, err2 := hex.DecodeString(file)
	if err1 != nil || err2 != nil || len(b1) != copy(d[:], b1) || len(b2) != copy(root[:], b2) {
		return d, root, fmt.Errorf("engine: row %s is damaged", prefix)
	}
	return d, root, nil
}

func (s *step) depositChange(c DepositChange) { s.up.Deposits = append(s.up.Deposits, c) }

func hour(t time.Time) uint32 { return uint32(max(t.Unix(), 0) / 3600) }

// leaveFiles leaves the files of a message with relays when the message goes into
// boxes. Spec: deposit.md, DP-06.
func (s *step) leaveFiles(o wire.Outgoing) error {
	m, _, err := s.messageIn(o.ID)
	if err != nil || m == nil {
		return err
	}
	for _, f := range m.Media {
		ref := f.Pointer.Ref()
		if _, err := deposit.Names(ref.Chunks()); err != nil {
			continue // too large: it waits for a link
		}
		k := depositKey(prefixLeft, o.To, ref.Root)
		known, err := s.State(k)
		if err != nil {
			return err
		}
		others, err := s.StateKeys(depositPrefix(prefixLeft, o.To))
		if err != nil {
			return err
		}
		if known != nil || len(others) >= MaxDeposits {
			continue
		}
		if err := s.leave(o.To, ref.Root, &statepb.Left{Length: uint64(ref.Length)}); err != nil {
			return err
		}
	}
	return nil
}

// leave begins a deposit under a key of its own.
func (s *step) leave(d identity.DeviceID, root [32]byte, row *statepb.Left) error {
	var key deposit.Key
	rand.Read(key[:])
	row.Key, row.Hour, row.Told = key[:], hour(s.now)+DepositHours, false
	if err := s.save(depositKey(prefixLeft, d, root), row); err != nil {
		return err
	}
	return s.upload(d, root, row)
}

func (s *step) upload(d identity.DeviceID, root [32]byte, row *statepb.Left) error {
	streams, err := s.streams(d)
	if err != nil {
		return err
	}
	relays, err := s.circle(streams.GetRelays())
	if err != nil {
		return err
	}
	s.depositChange(Upload{For: d, Root: root, Key: deposit.Key(row.GetKey()), Hour: row.GetHour(), Relays: relays})
	return nil
}

// deposited tells the device where its file is.
func (s *step) deposited(in Deposited) error {
	row := &statepb.Left{}
	k := depositKey(prefixLeft, in.For, in.Root)
	if ok, err := s.load(k, row); err != nil || !ok || row.GetTold() {
		return err
	}
	ref, err := media.RefOf(in.Root, int64(row.GetLength()))
	if err != nil {
		return fmt.Errorf("engine: row %s is damaged", prefixLeft)
	}
	if _, _, err := s.established(in.For); errors.Is(err, ErrRefused) {
		return nil
	} else if err != nil {
		return err
	}
	row.Told = true
	if err := s.save(k, row); err != nil {
		return err
	}
	d := &wire.Deposit{Ref: ref, Key: [32]byte(row.GetKey()), Hour: row.GetHour(), IDs: in.IDs}
	made := len(s.up.Outgoing)
	if err := s.sealTo(in.For, &wire.Content{ID: newMessageID(), SentAt: s.now, Deposit: d}, wire.MessageID{}); err != nil {
		return err
	}
	s.depositChange(EndUpload{For: in.For, Root: in.Root})
	// The device was away when this began: what tells of it goes into boxes at once.
	for _, o := range s.up.Outgoing[made:] {
		if err := s.intoBoxes(o); err != nil && !errors.Is(err, errNoBoxes) {
			return err
		}
	}
	return nil
}

// receiveDeposit takes note of a file left for this device. One that breaks a rule
// is left alone.
func (s *step) receiveDeposit(from identity.DeviceID, d *wire.Deposit) error {
	names, err := deposit.Names(d.Ref.Chunks())
	if err != nil || names != uint64(len(d.IDs)) || d.Hour < hour(s.now) || d.Hour > hour(s.now)+2*DepositHours {
		return nil
	}
	k := depositKey(prefixGiven, from, d.Ref.Root)
	others, err := s.StateKeys(depositPrefix(prefixGiven, from))
	if err != nil {
		return err
	}
	if len(others) >= MaxDeposits && !slices.Contains(others, k) {
		return nil
	}
	row := &statepb.Given{Key: slices.Clone(d.Key[:]), Hour: d.Hour, Length: uint64(d.Ref.Length)}
	for _, id := range d.IDs {
		row.Ids = append(row.Ids, slices.Clone(id[:]))
	}
	if err := s.save(k, row); err != nil {
		return err
	}
	return s.given(from, d.Ref.Root, row)
}

func (s *step) given(from identity.DeviceID, root [32]byte, row *statepb.Given) error {
	ref, err := media.RefOf(root, int64(row.GetLength()))
	if err != nil || len(row.GetKey()) != len(deposit.Key{}) {
		return fmt.Errorf("engine: row %s is damaged", prefixGiven)
	}
	streams, err := s.streams(from)
	if err != nil {
		return err
	}
	relays, err := s.circle(streams.GetRelays())
	if err != nil {
		return err
	}
	g := Given{From: from, Ref: ref, Key: deposit.Key(row.GetKey()), Hour: row.GetHour(), Relays: relays}
	for _, id := range row.GetIds() {
		if len(id) != 32 {
			return fmt.Errorf("engine: row %s is damaged", prefixGiven)
		}
		g.IDs = append(g.IDs, [32]byte(id))
	}
	s.depositChange(g)
	return nil
}

// stored shows a file as complete and says so to whoever sent it.
func (s *step) stored(in Stored) error {
	if known, err := s.MediaKnown(in.Root); err != nil || !known {
		s.up.Erase = append(s.up.Erase, in.Root) // its message was deleted meanwhile
		return err
	}
	s.event(chat.MediaStored{Root: in.Root})
	for _, d := range in.From {
		k := depositKey(prefixGiven, d, in.Root)
		if b, err := s.State(k); err != nil {
			return err
		} else if b != nil {
			s.up.State[k] = nil
			s.depositChange(EndGiven{From: d, Root: in.Root, Complete: true})
		}
		if _, _, err := s.established(d); errors.Is(err, ErrRefused) {
			continue
		} else if err != nil {
			return err
		}
		c := &wire.Content{ID: newMessageID(), SentAt: s.now, Stored: [][32]byte{in.Root}}
		if err := s.sealTo(d, c, wire.MessageID{}); err != nil {
			return err
		}
	}
	return nil
}

// receiveStored ends the deposits of files that a device has.
func (s *step) receiveStored(from identity.DeviceID, roots [][32]byte) error {
	for _, root := range roots {
		k := depositKey(prefixLeft, from, root)
		if b, err := s.State(k); err != nil {
			return err
		} else if b != nil {
			s.up.State[k] = nil
			s.depositChange(EndUpload{For: from, Root: root})
		}
	}
	return nil
}

// tendDeposits does what time asks of deposits: what expired is left anew, if
// nothing was heard of it, and not fetched any more.
func (s *step) tendDeposits() error {
	keys, err := s.StateKeys(prefixLeft)
	if err != nil {
		return err
	}
	for _, k := range keys {
		row := &statepb.Left{}
		if _, err := s.load(k, row); err != nil {
			return err
		}
		if row.GetHour() >= hour(s.now) {
			continue
		}
		d, root, err := depositIn(k, prefixLeft)
		if err != nil {
			return err
		}
		if row.GetAgain() >= MaxAgain {
			s.up.State[k] = nil
			s.depositChange(EndUpload{For: d, Root: root})
			continue
		}
		row.Again++
		if err := s.leave(d, root, row); err != nil {
			return err
		}
	}
	keys, err = s.StateKeys(prefixGiven)
	if err != nil {
		return err
	}
	for _, k := range keys {
		row := &statepb.Given{}
		if _, err := s.load(k, row); err != nil {
			return err
		}
		if row.GetHour() >= hour(s.now) {
			continue
		}
		d, root, err := depositIn(k, prefixGiven)
		if err != nil {
			return err
		}
		s.up.State[k] = nil
		s.depositChange(EndGiven{From: d, Root: root})
	}
	return nil
}

// DepositsNow returns what the caller has to know of deposits at start. The error
// is local.
func DepositsNow(v View, now time.Time) ([]DepositChange, error) {
	s := &step{View: v, now: now, up: &Update{State: map[StateKey][]byte{}}}
	keys, err := s.StateKeys(prefixLeft)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		row := &statepb.Left{}
		if _, err := s.load(k, row); err != nil {
			return nil, err
		}
		if row.GetTold() {
			continue
		}
		d, root, err := depositIn(k, prefixLeft)
		if err == nil && len(row.GetKey()) == len(deposit.Key{}) {
			err = s.upload(d, root, row)
		}
		if err != nil {
			return nil, err
		}
	}
	keys, err = s.StateKeys(prefixGiven)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		row := &statepb.Given{}
		if _, err := s.load(k, row); err != nil {
			return nil, err
		}
		d, root, err := depositIn(k, prefixGiven)
		if err == nil {
			err = s.given(d, root, row)
		}
		if err != nil {
			return nil, err
		}
	}
	return s.up.Deposits, nil
}
