// Package api serves the local API (package apiv1) and media over a node. It
// translates: names to accounts, errors to codes with hints, events to what a
// face shows. It decides nothing.
//
// [Handler] is plain net/http; whoever serves it guards the door: a unix
// socket only the owner can open. Formats: docs/spec/api.md.
package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/api/v1/apiv1connect"
	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/node"
)

// Limits of the API.
const (
	defaultLog    = 100
	defaultSearch = 50
	// MaxPage is how many messages one answer may hold.
	MaxPage = 1000
	// maxOffset is how many of the best matches can be left out.
	maxOffset = 1 << 20
	// quoteBytes is how much of a text an answer to it quotes.
	quoteBytes = 200
	// maxRequest bounds a request's body in bytes; media comes another way.
	maxRequest = 1 << 20
)

// About is what the node's shell knows and the node does not.
type About struct {
	Version string
	Key     string // where the master key lives
	LAN     bool   // whether neighbours are looked for
	Stop    func() // ends the node
	// Reach says how the node is reached; nil: nothing is known.
	Reach func() *apiv1.ReachResponse
	// Page opens the page and returns an address that lets one browser in; nil: there
	// is none.
	Page func() (string, error)
}

// Service implements the Kith service over a node. It is safe for concurrent
// use.
type Service struct {
	node  *node.Node
	about About
	files *uploads
}

// Handler serves the API and media of n.
func Handler(n *node.Node, about About) http.Handler {
	s, mux := service(n, about)
	mux.HandleFunc("GET /media/{message}/{index}", s.download)
	return mux
}

// service is what every face is served.
func service(n *node.Node, about About) (*Service, *http.ServeMux) {
	s := &Service{node: n, about: about, files: newUploads()}
	mux := http.NewServeMux()
	mux.Handle(apiv1connect.NewKithHandler(s, connect.WithReadMaxBytes(maxRequest)))
	mux.HandleFunc("POST /media", s.upload)
	mux.HandleFunc("GET /media/{message}/{index}/thumbnail", s.thumbnail)
	return s, mux
}

var _ apiv1connect.KithHandler = (*Service)(nil)

// Status implements the service.
func (s *Service) Status(ctx context.Context, _ *connect.Request[apiv1.StatusRequest]) (*connect.Response[apiv1.StatusResponse], error) {
	contacts, err := s.contacts()
	if err != nil {
		return nil, fail(err)
	}
	seq, err := s.node.LastSeq()
	if err != nil {
		return nil, fail(err)
	}
	prekeys, err := s.node.OneTimePrekeys()
	if err != nil {
		return nil, fail(err)
	}
	self, waiting := s.node.Self(), s.node.Waiting()
	return connect.NewResponse(&apiv1.StatusResponse{
		Account: self.Account.String(), Device: self.Device.ID().String(), Name: self.Name, Version: s.about.Version,
		Addrs: s.node.Addrs(), Contacts: contacts, Queued: uint32(waiting.Queued), MediaWaiting: uint32(waiting.MediaWaiting), Leaving: uint32(waiting.Leaving),
		Seq: uint64(seq), Key: s.about.Key, Trouble: s.node.Trouble(), Lan: s.about.LAN,
		OneTimePrekeys: uint32(prekeys),
	}), nil
}

// Reach implements the service.
func (s *Service) Reach(context.Context, *connect.Request[apiv1.ReachRequest]) (*connect.Response[apiv1.ReachResponse], error) {
	if s.about.Reach == nil {
		return connect.NewResponse(&apiv1.ReachResponse{}), nil
	}
	return connect.NewResponse(s.about.Reach()), nil
}

// Invite implements the service.
func (s *Service) Invite(ctx context.Context, r *connect.Request[apiv1.InviteRequest]) (*connect.Response[apiv1.InviteResponse], error) {
	life := time.Duration(min(max(r.Msg.GetLifeSeconds(), 0), int64(engine.MaxInviteLife/time.Second)+1)) * time.Second
	reply, _, err := s.node.Do(ctx, engine.Invite{Life: life, Addrs: hints(s.node.Addrs())})
	if err != nil {
		return nil, fail(err)
	}
	inv := reply.(engine.Invited).Invite
	return connect.NewResponse(&apiv1.InviteResponse{Link: inv.Link(), ExpiresS: int64(inv.Expires)}), nil
}

// hints are the addresses worth carrying in a QR code: those of this machine
// alone only when there are no others, and first what leads here from far away,
// since there is little room.
func hints(addrs []string) []string {
	var far, near, through []string
	for _, a := range addrs {
		switch {
		case strings.HasPrefix(a, "/ip4/127."), strings.HasPrefix(a, "/ip6/::1/"):
		case strings.Contains(a, "/p2p-circuit"):
			through = append(through, a)
		case node.Private(a):
			near = append(near, a)
		default:
			far = append(far, a)
		}
	}
	// A relay's second address says little more.
	through = through[:min(len(through), maxThrough)]
	far = slices.Concat(far, through, near)
	if len(far) == 0 {
		return addrs
	}
	return far
}

// maxThrough is how many addresses through relays an invite carries.
const maxThrough = 4

// Add implements the service.
func (s *Service) Add(ctx context.Context, r *connect.Request[apiv1.AddRequest]) (*connect.Response[apiv1.AddResponse], error) {
	inv, err := identity.ParseInvite(r.Msg.GetLink())
	if err != nil {
		return nil, fail(badLink(err))
	}
	reply, _, err := s.node.Do(ctx, engine.Add{Invite: inv, Name: r.Msg.GetName()})
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.AddResponse{Contact: s.contact(reply.(engine.Added).Contact, 0)}), nil
}

func badLink(err error) error {
	e := &engine.Error{Code: engine.Invalid, Text: "this is not an invite", Hint: "an invite begins with kith: and comes from kith invite"}
	switch {
	case errors.Is(err, identity.ErrDamagedLink):
		e.Text, e.Hint = "this invite is damaged", "copy the whole link again, from kith: to its end"
	case errors.Is(err, identity.ErrVersion):
		e.Text, e.Hint = "this invite was made by a newer version of kith", "update kith"
	}
	return e
}

// Contacts implements the service.
func (s *Service) Contacts(context.Context, *connect.Request[apiv1.ContactsRequest]) (*connect.Response[apiv1.ContactsResponse], error) {
	contacts, err := s.contacts()
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.ContactsResponse{Contacts: contacts}), nil
}

// Verify implements the service.
func (s *Service) Verify(ctx context.Context, r *connect.Request[apiv1.VerifyRequest]) (*connect.Response[apiv1.VerifyResponse], error) {
	c, err := s.find(r.Msg.GetContact())
	if err != nil {
		return nil, fail(err)
	}
	if change := r.Msg.GetChange(); change != apiv1.VerifyRequest_NONE {
		c.Verified = change == apiv1.VerifyRequest_MARK
		if _, _, err := s.node.Do(ctx, engine.Verify{Account: c.Account, Mark: c.Verified}); err != nil {
			return nil, fail(err)
		}
	}
	number := identity.NewSafetyNumber(s.node.Self().Account, c.Account)
	return connect.NewResponse(&apiv1.VerifyResponse{Contact: s.contact(c, 0), SafetyNumber: number.String()}), nil
}

// Stop implements the service.
func (s *Service) Stop(context.Context, *connect.Request[apiv1.StopRequest]) (*connect.Response[apiv1.StopResponse], error) {
	// The answer leaves first; the server drains it before it ends.
	time.AfterFunc(50*time.Millisecond, s.about.Stop)
	return connect.NewResponse(&apiv1.StopResponse{}), nil
}

func (s *Service) contacts() ([]*apiv1.Contact, error) {
	all, unread, err := s.node.Contacts()
	var out []*apiv1.Contact
	for _, c := range all {
		out = append(out, s.contact(c, unread[c.Account]))
	}
	return out, err
}

func (s *Service) contact(c chat.Contact, unread int) *apiv1.Contact {
	out := &apiv1.Contact{
		Account: c.Account.String(), Name: c.Name, State: c.State.String(), Verified: c.Verified,
		Online: s.node.Online(c.Device), Unread: uint32(unread), AddedAtMs: c.AddedAt.UnixMilli(),
		Reduced: c.Reduced, Stale: c.Stale, Blocked: c.Blocked, Receipts: !c.NoReceipts, Typing: !c.NoTyping,
	}
	if c.State == chat.ContactRefused {
		out.Reason = c.Reason.String()
	}
	return out
}

// find gives the contact with a name or account; a name may be cut short and
// in any case as long as only one contact is meant.
func (s *Service) find(name string) (chat.Contact, error) {
	all, _, err := s.node.Contacts()
	if err != nil {
		return chat.Contact{}, err
	}
	for _, c := range all {
		if c.Account.String() == name {
			return c, nil
		}
	}
	var close []chat.Contact
	for _, c := range all {
		if c.Name == name {
			return c, nil
		}
		if strings.EqualFold(c.Name, name) {
			close = append(close, c)
		}
	}
	switch len(close) {
	case 1:
		return close[0], nil
	case 0:
		return chat.Contact{}, &engine.Error{Code: engine.NotFound, Text: fmt.Sprintf("no contact %q", name), Hint: "kith contacts lists everybody"}
	}
	return chat.Contact{}, &engine.Error{Code: engine.Invalid, Text: fmt.Sprintf("%d contacts could be %q", len(close), name), Hint: "write the name as kith contacts shows it"}
}

// fail maps an error to what travels to a face: a code, one line, and a hint
// in the header "Kith-Hint". What is not meant for people becomes "internal
// error", since errors of deeper layers may name what nobody should see.
func fail(err error) error {
	var e *engine.Error
	switch {
	case errors.As(err, &e):
		ce := connect.NewError(code(e.Code), errors.New(e.Text))
		if e.Hint != "" {
			ce.Meta().Set("Kith-Hint", e.Hint)
		}
		return ce
	case errors.Is(err, node.ErrFull):
		ce := connect.NewError(connect.CodeResourceExhausted, errors.New("the disk is full"))
		ce.Meta().Set("Kith-Hint", "free some space; nothing was lost")
		return ce
	case errors.Is(err, node.ErrStopped):
		return connect.NewError(connect.CodeUnavailable, errors.New("the node is stopping"))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeCanceled, errors.New("cancelled"))
	case errors.Is(err, fs.ErrNotExist):
		return connect.NewError(connect.CodeNotFound, errors.New("not here"))
	}
	return connect.NewError(connect.CodeInternal, errors.New("internal error"))
}

func code(c engine.Code) connect.Code {
	switch c {
	case engine.Invalid:
		return connect.CodeInvalidArgument
	case engine.NotFound:
		return connect.CodeNotFound
	case engine.Exists:
		return connect.CodeAlreadyExists
	case engine.Expired, engine.NotNow:
		return connect.CodeFailedPrecondition
	}
	return connect.CodeInternal
}
