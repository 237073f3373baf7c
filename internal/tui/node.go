package tui

import (
	"context"
	"image"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// Node is what the screen asks of a node and of the disk. Errors are for people.
// It is called from many goroutines.
type Node interface {
	Conversations(ctx context.Context) (*apiv1.ConversationsResponse, error)
	Contacts(ctx context.Context) ([]*apiv1.Contact, error)
	Log(ctx context.Context, r *apiv1.LogRequest) (*apiv1.LogResponse, error)
	Message(ctx context.Context, id string) (*apiv1.Message, error)
	Search(ctx context.Context, r *apiv1.SearchRequest) (*apiv1.SearchResponse, error)
	Verify(ctx context.Context, r *apiv1.VerifyRequest) (*apiv1.VerifyResponse, error)
	Send(ctx context.Context, r *apiv1.SendRequest) error
	Edit(ctx context.Context, id, text string) error
	Delete(ctx context.Context, id string, forEveryone bool) error
	React(ctx context.Context, id, emoji string) error
	MarkRead(ctx context.Context, contact string) error
	Typing(ctx context.Context, contact string) error
	// Follow calls on for what happens after a sequence until on returns false,
	// ctx ends or the node does.
	Follow(ctx context.Context, after uint64, on func(*apiv1.WatchResponse) bool) error
	// Upload gives a file to the node; count hears how much of it went, and may be
	// called from any goroutine.
	Upload(ctx context.Context, path string, asFile bool, count func(done, total int64)) (*client.Uploaded, error)
	// Save writes the files of a message into a folder and says where they are.
	Save(ctx context.Context, m *apiv1.Message, folder string) (paths []string, err error)
	// Picture decodes an attachment, made smaller to fit so many pixels.
	Picture(ctx context.Context, message string, index int, within image.Point) (image.Image, error)
	// Complete lists what a path that is being written may become.
	Complete(path string) (to string, choices []string)
	// Folder is where files are saved if nothing else is said.
	Folder() string
}
