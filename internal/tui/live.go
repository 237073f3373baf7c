package tui

import (
	"context"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// Live is the node of a home directory, as [Node].
type Live struct {
	c        *client.Client
	decoding chan struct{} // holds one: pictures are decoded one at a time
}

// NewLive makes it of a client.
func NewLive(c *client.Client) *Live { return &Live{c: c, decoding: make(chan struct{}, 1)} }

// call asks and explains.
func call[Q, A any](ctx context.Context, l *Live, f func(context.Context, *connect.Request[Q]) (*connect.Response[A], error), q *Q) (*A, error) {
	r, err := f(ctx, connect.NewRequest(q))
	if err != nil {
		return nil, l.c.Explain(err)
	}
	return r.Msg, nil
}

// Conversations implements [Node].
func (l *Live) Conversations(ctx context.Context) (*apiv1.ConversationsResponse, error) {
	return call(ctx, l, l.c.Conversations, &apiv1.ConversationsRequest{})
}

// Contacts implements [Node].
func (l *Live) Contacts(ctx context.Context) ([]*apiv1.Contact, error) {
	r, err := call(ctx, l, l.c.Contacts, &apiv1.ContactsRequest{})
	return r.GetContacts(), err
}

// Log implements [Node].
func (l *Live) Log(ctx context.Context, r *apiv1.LogRequest) (*apiv1.LogResponse, error) {
	return call(ctx, l, l.c.Log, r)
}

// Message implements [Node].
func (l *Live) Message(ctx context.Context, id string) (*apiv1.Message, error) {
	r, err := call(ctx, l, l.c.Message, &apiv1.MessageRequest{Id: id})
	return r.GetMessage(), err
}

// Search implements [Node].
func (l *Live) Search(ctx context.Context, r *apiv1.SearchRequest) (*apiv1.SearchResponse, error) {
	return call(ctx, l, l.c.Search, r)
}

// Verify implements [Node].
func (l *Live) Verify(ctx context.Context, r *apiv1.VerifyRequest) (*apiv1.VerifyResponse, error) {
	return call(ctx, l, l.c.Verify, r)
}

// Send implements [Node].
func (l *Live) Send(ctx context.Context, r *apiv1.SendRequest) error {
	_, err := call(ctx, l, l.c.Send, r)
	return err
}

// Edit implements [Node].
func (l *Live) Edit(ctx context.Context, id, text string) error {
	_, err := call(ctx, l, l.c.Edit, &apiv1.EditRequest{Id: id, Text: text})
	return err
}

// Delete implements [Node].
func (l *Live) Delete(ctx context.Context, id string, forEveryone bool) error {
	_, err := call(ctx, l, l.c.Delete, &apiv1.DeleteRequest{Ids: []string{id}, ForEveryone: forEveryone})
	return err
}

// React implements [Node].
func (l *Live) React(ctx context.Context, id, emoji string) error {
	_, err := call(ctx, l, l.c.React, &apiv1.ReactRequest{Id: id, Emoji: emoji})
	return err
}

// MarkRead implements [Node].
func (l *Live) MarkRead(ctx context.Context, contact string) error {
	_, err := call(ctx, l, l.c.MarkRead, &apiv1.MarkReadRequest{Contact: contact})
	return err
}

// Typing implements [Node].
func (l *Live) Typing(ctx context.Context, contact string) error {
	_, err := call(ctx, l, l.c.Typing, &apiv1.TypingRequest{Contact: contact})
	return err
}

// Follow implements [Node].
func (l *Live) Follow(ctx context.Context, after uint64, on func(*apiv1.WatchResponse) bool) error {
	return l.c.Explain(l.c.Follow(ctx, after, on))
}

// Picture implements [Node]. It holds the file and its pixels in memory, within
// the bounds of package tui, and writes nothing to a disk.
func (l *Live) Picture(ctx context.Context, message string, index int, within image.Point) (image.Image, error) {
	select {
	case l.decoding <- struct{}{}:
		defer func() { <-l.decoding }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	body, err := l.c.Download(ctx, message, index)
	if err != nil {
		return nil, l.c.Explain(err)
	}
	defer body.Close()
	return decode(body, within)
}

// Upload implements [Node].
func (l *Live) Upload(ctx context.Context, path string, asFile bool, count func(done, total int64)) (*client.Uploaded, error) {
	path = atHome(path)
	f, err := os.Open(path)
	if err != nil {
		return nil, client.FileError(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, client.FileError(err)
	}
	if !st.Mode().IsRegular() {
		return nil, &client.Error{Text: path + " is not a file", Hint: "a folder can be sent as an archive", Exit: client.ExitUsage}
	}
	done := int64(0)
	body := io.Reader(client.Counted(f, func(n int64) {
		done += n
		count(done, st.Size())
	}))
	u, err := l.c.Upload(ctx, body, st.Size(), filepath.Base(path), asFile)
	return u, l.c.Explain(err)
}

// Save implements [Node].
func (l *Live) Save(ctx context.Context, m *apiv1.Message, folder string) (paths []string, err error) {
	folder = atHome(folder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, client.FileError(err)
	}
	for i, f := range m.GetMedia() {
		path := client.UnusedName(folder, f.GetName())
		if err := l.c.Save(ctx, m.GetId(), i, f, path, false, nil); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// maxChoices bounds the names that are listed for a path.
const maxChoices = 40

// Complete implements [Node].
func (l *Live) Complete(path string) (to string, choices []string) {
	dir, begun := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean("./" + dir))
	if filepath.IsAbs(path) || strings.HasPrefix(path, "~") {
		entries, err = os.ReadDir(atHome(dir))
	}
	if err != nil {
		return path, nil
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, begun) || strings.HasPrefix(name, ".") && begun == "" {
			continue
		}
		if e.IsDir() {
			name += string(filepath.Separator)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return path, nil
	}
	return dir + shared(names), names[:min(len(names), maxChoices)]
}

// shared is what all names begin with.
func shared(names []string) string {
	begin := names[0]
	for _, n := range names[1:] {
		for !strings.HasPrefix(n, begin) {
			begin = head(begin, len(begin)-1)
		}
	}
	return begin
}

// Folder implements [Node].
func (l *Live) Folder() string {
	const downloads = "~/Downloads"
	if st, err := os.Stat(atHome(downloads)); err == nil && st.IsDir() {
		return downloads
	}
	return "."
}

// atHome replaces ~ at the beginning of a path.
func atHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}
