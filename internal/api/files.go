package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/preview"
	"kith/internal/wire"
)

// Hold implements the service.
func (s *Service) Hold(ctx context.Context, r *connect.Request[apiv1.HoldRequest]) (*connect.Response[apiv1.HoldResponse], error) {
	m, err := s.findMessage(r.Msg.GetId())
	if err != nil {
		return nil, fail(err)
	}
	holds := map[apiv1.HoldRequest_Hold]chat.Hold{apiv1.HoldRequest_FETCH: chat.Fetch, apiv1.HoldRequest_PAUSE: chat.Paused, apiv1.HoldRequest_CANCEL: chat.Cancelled}
	h, ok := holds[r.Msg.GetHold()]
	if !ok {
		return nil, fail(&engine.Error{Code: engine.Invalid, Text: "a file is fetched, paused or cancelled"})
	}
	_, seq, err := s.node.Do(ctx, engine.Hold{ID: m.ID, Index: int(r.Msg.GetIndex()), Hold: h})
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.HoldResponse{Seq: uint64(seq)}), nil
}

// Draft implements the service.
func (s *Service) Draft(ctx context.Context, r *connect.Request[apiv1.DraftRequest]) (*connect.Response[apiv1.DraftResponse], error) {
	c, err := s.find(r.Msg.GetContact())
	if err != nil {
		return nil, fail(err)
	}
	in := engine.Draft{To: c.Account, Text: r.Msg.GetText()}
	if r.Msg.GetReplyTo() != "" {
		m, err := s.findMessage(r.Msg.GetReplyTo())
		if err != nil {
			return nil, fail(err)
		}
		in.ReplyTo = m.ID
	}
	if _, _, err := s.node.Do(ctx, in); err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.DraftResponse{}), nil
}

// attachment gives the file that a Send refers to.
func (s *Service) attachment(a *apiv1.Attachment) (wire.Attachment, error) {
	if a.GetMessage() != "" {
		return s.passOn(a)
	}
	at, ok := s.files.take(a.GetToken(), a.GetName())
	if !ok {
		return at, &engine.Error{Code: engine.NotFound, Text: fmt.Sprintf("the upload of %q is gone", a.GetName()), Hint: "send it again"}
	}
	if p := a.GetPreview(); p != nil && at.Preview == nil {
		said := &wire.Preview{Width: int(p.GetWidth()), Height: int(p.GetHeight()), Duration: time.Duration(min(p.GetDurationMs(), wire.MaxDuration)) * time.Millisecond,
			ThumbHash: p.GetThumbhash(), Thumbnail: p.GetThumbnail(), Waveform: p.GetWaveform()}
		if !said.Valid() || len(said.Thumbnail) > 0 && !preview.ValidThumbnail(said.Thumbnail) {
			return at, &engine.Error{Code: engine.Invalid, Text: "this preview is too large or no preview"}
		}
		if len(said.ThumbHash) == 0 && len(said.Thumbnail) > 0 {
			if p, err := preview.Of(bytes.NewReader(said.Thumbnail)); err == nil {
				said.ThumbHash = p.ThumbHash
			}
		}
		at.Preview = said
	}
	return at, nil
}

// passOn gives a file of a message, to be sent in another.
func (s *Service) passOn(a *apiv1.Attachment) (wire.Attachment, error) {
	m, err := s.findMessage(a.GetMessage())
	if err != nil {
		return wire.Attachment{}, err
	}
	if uint64(a.GetIndex()) >= uint64(len(m.Media)) { // an int may have 32 bits
		return wire.Attachment{}, &engine.Error{Code: engine.NotFound, Text: "the message has no such file"}
	}
	file := m.Media[a.GetIndex()]
	if !file.Stored {
		return wire.Attachment{}, &engine.Error{Code: engine.NotNow, Text: fmt.Sprintf("%q is not complete yet", file.Name), Hint: "pass it on when it is"}
	}
	file.Name = cmp.Or(a.GetName(), file.Name)
	return file.Attachment, nil
}

// thumbnail serves the small picture that came with an attachment.
func (s *Service) thumbnail(w http.ResponseWriter, r *http.Request) {
	m, err := s.findMessage(r.PathValue("message"))
	if err != nil {
		refuse(w, err)
		return
	}
	a, err := attachment(&m, r.PathValue("index"))
	if err != nil {
		refuse(w, err)
		return
	}
	if a.Preview == nil || !preview.ValidThumbnail(a.Preview.Thumbnail) {
		refuse(w, &engine.Error{Code: engine.NotFound, Text: "there is no thumbnail"})
		return
	}
	guard(w.Header())
	w.Header().Set("Content-Type", "image/jpeg")
	// Whoever has gone away needs no answer.
	_, _ = w.Write(a.Preview.Thumbnail)
}

// guard keeps what somebody sent from being run, guessed at or kept by a browser.
func guard(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
}

// moving says how far files are that came further.
func (s *Service) moving(l chat.Logged, e chat.MediaMoving, n names) ([]*apiv1.WatchResponse, error) {
	all, err := s.node.WithRoot(e.Root)
	if err != nil {
		return nil, err
	}
	var out []*apiv1.WatchResponse
	for _, m := range all {
		for i, a := range m.Media {
			if a.Pointer.Root != e.Root || a.Stored {
				continue
			}
			is := s.media(a)
			out = append(out, &apiv1.WatchResponse{Seq: uint64(l.Seq), Event: &apiv1.WatchResponse_Progress{Progress: &apiv1.Progress{
				Id: hex.EncodeToString(m.ID[:]), Index: uint32(i), Contact: n.contacts[m.Conversation.Account()].Name,
				State: is.GetState(), Have: is.GetHave(), Size: is.GetSize()}}})
		}
	}
	return out, nil
}
