package tui

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"strings"
	"sync"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// fake is a node in memory. What it was asked for is in calls.
type fake struct {
	mu       sync.Mutex
	contacts []*apiv1.Contact
	logs     map[string][]*apiv1.Message // by account
	seq      uint64
	calls    []string
	largest  int // messages in one answer
	fail     error
	upload   func(ctx context.Context, count func(done, total int64)) (*client.Uploaded, error)
	picture  func(within image.Point) (image.Image, error)
}

func newFake() *fake { return &fake{logs: map[string][]*apiv1.Message{}, seq: 1000} }

func (f *fake) called(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

// took returns the calls that begin with a word, and forgets all.
func (f *fake) took(word string) (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if strings.HasPrefix(c, word) {
			out = append(out, c)
		}
	}
	f.calls = nil
	return out
}

func (f *fake) Conversations(context.Context) (*apiv1.ConversationsResponse, error) {
	if f.fail != nil {
		return nil, f.fail
	}
	r := &apiv1.ConversationsResponse{Seq: f.seq}
	for _, c := range f.contacts {
		one := &apiv1.Conversation{Contact: c}
		if log := f.logs[c.GetAccount()]; len(log) > 0 {
			one.Last = log[len(log)-1]
		}
		r.Conversations = append(r.Conversations, one)
	}
	return r, nil
}

func (f *fake) Contacts(context.Context) ([]*apiv1.Contact, error) { return f.contacts, f.fail }

func (f *fake) Log(_ context.Context, r *apiv1.LogRequest) (*apiv1.LogResponse, error) {
	f.called("log before=%.8s after=%.8s around=%.8s", r.GetBefore(), r.GetAfter(), r.GetAround())
	if f.fail != nil {
		return nil, f.fail
	}
	all, n := f.logs[r.GetContact()], int(r.GetLimit())
	at := func(id string) int {
		for i, m := range all {
			if m.GetId() == id {
				return i
			}
		}
		return -1
	}
	from, to := max(0, len(all)-n), len(all)
	switch {
	case r.GetBefore() != "":
		to = at(r.GetBefore())
		from = max(0, to-n)
	case r.GetAfter() != "":
		from = at(r.GetAfter()) + 1
		to = min(len(all), from+n)
	case r.GetAround() != "":
		i := at(r.GetAround())
		from, to = max(0, i-n/2), min(len(all), i+n/2+1)
	}
	f.largest = max(f.largest, to-from)
	return &apiv1.LogResponse{Messages: all[from:to], Seq: f.seq, Earlier: from > 0, Later: to < len(all)}, nil
}

func (f *fake) Message(_ context.Context, id string) (*apiv1.Message, error) {
	f.called("message %s", id)
	for _, log := range f.logs {
		for _, m := range log {
			if m.GetId() == id {
				return m, nil
			}
		}
	}
	return nil, errors.New("no message")
}

func (f *fake) Search(_ context.Context, r *apiv1.SearchRequest) (*apiv1.SearchResponse, error) {
	f.called("search %q in %q from %d", r.GetWords(), r.GetContact(), r.GetOffset())
	out := &apiv1.SearchResponse{}
	n := 0
	for _, log := range f.logs {
		for _, m := range log {
			if strings.Contains(m.GetText(), r.GetWords()) {
				if n++; n > int(r.GetOffset()) {
					out.Messages = append(out.Messages, m)
				}
				if len(out.Messages) == int(r.GetLimit()) {
					out.More = true
					return out, f.fail
				}
			}
		}
	}
	return out, f.fail
}

func (f *fake) Verify(_ context.Context, r *apiv1.VerifyRequest) (*apiv1.VerifyResponse, error) {
	f.called("verify %s %s", r.GetContact(), r.GetChange())
	for _, c := range f.contacts {
		if c.GetAccount() == r.GetContact() {
			if r.GetChange() != apiv1.VerifyRequest_NONE {
				c.Verified = r.GetChange() == apiv1.VerifyRequest_MARK
			}
			return &apiv1.VerifyResponse{Contact: c, SafetyNumber: strings.TrimSpace(strings.Repeat("01234 ", 12))}, f.fail
		}
	}
	return nil, errors.New("no contact")
}

func (f *fake) Send(_ context.Context, r *apiv1.SendRequest) error {
	f.called("send %q to %s reply=%s files=%d", r.GetText(), r.GetContact(), r.GetReplyTo(), len(r.GetMedia()))
	return f.fail
}

func (f *fake) Edit(_ context.Context, id, text string) error {
	f.called("edit %s %q", id, text)
	return f.fail
}

func (f *fake) Delete(_ context.Context, id string, everyone bool) error {
	f.called("delete %s everyone=%v", id, everyone)
	return f.fail
}

func (f *fake) React(_ context.Context, id, emoji string) error {
	f.called("react %s %q", id, emoji)
	return f.fail
}

func (f *fake) MarkRead(_ context.Context, contact string) error {
	f.called("read %s", contact)
	return f.fail
}

func (f *fake) Typing(_ context.Context, contact string) error {
	f.called("typing %s", contact)
	return f.fail
}

func (f *fake) Follow(ctx context.Context, after uint64, on func(*apiv1.WatchResponse) bool) error {
	for seq := range uint64(600) {
		if !on(&apiv1.WatchResponse{Seq: after + seq}) {
			return ctx.Err()
		}
	}
	return errors.New("the node ended")
}

func (f *fake) Upload(ctx context.Context, path string, asFile bool, count func(done, total int64)) (*client.Uploaded, error) {
	f.called("upload %s %v", path, asFile)
	if f.upload != nil {
		return f.upload(ctx, count)
	}
	return &client.Uploaded{Token: "token", Size: 2048}, f.fail
}

func (f *fake) Save(_ context.Context, m *apiv1.Message, folder string) ([]string, error) {
	f.called("save %s %s", m.GetId(), folder)
	return []string{folder + "/x"}, f.fail
}

func (f *fake) Picture(_ context.Context, message string, index int, within image.Point) (image.Image, error) {
	f.called("picture %s %d", message, index)
	if f.picture != nil {
		return f.picture(within)
	}
	img := image.NewNRGBA(image.Rectangle{Max: proportions(image.Pt(400, 240), within)})
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / img.Rect.Dx()), uint8(y * 255 / img.Rect.Dy()), 128, 255})
		}
	}
	return img, nil
}

func (f *fake) Complete(path string) (string, []string) {
	return path + "hoto.jpg", []string{"photo.jpg"}
}
func (f *fake) Folder() string { return "~/Downloads" }
