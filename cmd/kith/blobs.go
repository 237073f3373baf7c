package main

import (
	"context"

	"kith/box"
	"kith/internal/node"
	"kith/internal/relaynet"
)

// blobs carries parts of files to relays and back for a node.
type blobs struct{ client *relaynet.Client }

// Has implements node.Blobs.
func (b blobs) Has(ctx context.Context, r box.Relay, p node.Part) bool {
	_, err := b.client.HeadBlob(ctx, r, relaynet.Mint(p.Key, "HEAD", p.ID, p.Hour, 0))
	return err == nil
}

// Put implements node.Blobs.
func (b blobs) Put(ctx context.Context, r box.Relay, p node.Part, content []byte) error {
	info := relaynet.NewBlob(content, p.Key, 0)
	info.Hour = p.Hour
	return b.client.Upload(ctx, r, info, content)
}

// Get implements node.Blobs. What is there when a connection breaks is gone on with,
// as long as something comes.
func (b blobs) Get(ctx context.Context, r box.Relay, p node.Part) (part []byte, err error) {
	by := relaynet.Mint(p.Key, "GET", p.ID, p.Hour, 0)
	for had := -1; ; {
		if part, err = b.client.Fetch(ctx, r, by, part); err == nil || len(part) <= had || ctx.Err() != nil {
			return part, err
		}
		had = len(part)
	}
}

// Delete implements node.Blobs.
func (b blobs) Delete(ctx context.Context, r box.Relay, p node.Part) error {
	return b.client.DeleteBlob(ctx, r, relaynet.Mint(p.Key, "DELETE", p.ID, p.Hour, 0))
}
