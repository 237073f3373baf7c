package wire

import (
	"time"

	"google.golang.org/protobuf/proto"

	"kith/internal/wire/contentpb"
)

// Preview is what the sender of a file says it looks or sounds like, for as long
// as the file is not here. Zero values say nothing. All of it is a claim.
// Spec: content.md, CO-33.
type Preview struct {
	Width, Height int           // in pixels, as it is to be shown; at most [MaxSide]
	Duration      time.Duration // in milliseconds, at most [MaxDuration] of them
	ThumbHash     []byte        // at most [MaxThumbHash]
	Thumbnail     []byte        // a small JPEG of at most [MaxThumbnail] bytes
	Waveform      []byte        // loudness of up to [MaxWaveform] equal parts, 0 to 255
}

// Valid reports whether p keeps to the limits of docs/spec/content.md.
func (p *Preview) Valid() bool {
	ms := p.Duration.Milliseconds()
	return p.Width >= 0 && p.Width <= MaxSide && p.Height >= 0 && p.Height <= MaxSide &&
		ms >= 0 && ms <= MaxDuration &&
		len(p.ThumbHash) <= MaxThumbHash && len(p.Thumbnail) <= MaxThumbnail && len(p.Waveform) <= MaxWaveform
}

// Len returns how many bytes the parts of p have together; 0 for nil.
func (p *Preview) Len() int {
	if p == nil {
		return 0
	}
	return len(p.ThumbHash) + len(p.Thumbnail) + len(p.Waveform)
}

// AppendBinary appends the encoding of p to b, for a row or an event: a Preview of
// content.proto, nothing for nil. It fails with [ErrMalformed] when p is not valid.
func (p *Preview) AppendBinary(b []byte) ([]byte, error) {
	if p == nil {
		return b, nil
	}
	if !p.Valid() {
		return nil, ErrMalformed
	}
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, p.toPB())
}

// ParsePreview reads what [Preview.AppendBinary] wrote; nil for nothing and for
// what breaks a limit, since a message is worth showing without.
func ParsePreview(b []byte) *Preview {
	if len(b) == 0 {
		return nil
	}
	var pb contentpb.Preview
	if proto.Unmarshal(b, &pb) != nil {
		return nil
	}
	return previewOf(&pb)
}

func (p *Preview) toPB() *contentpb.Preview {
	if p == nil {
		return nil
	}
	return &contentpb.Preview{Width: uint32(p.Width), Height: uint32(p.Height), DurationMs: uint64(p.Duration.Milliseconds()),
		Thumbhash: p.ThumbHash, Thumbnail: p.Thumbnail, Waveform: p.Waveform}
}

// previewOf reads a preview and leaves out one that breaks a limit.
func previewOf(pb *contentpb.Preview) *Preview {
	if pb == nil || pb.GetDurationMs() > MaxDuration || pb.GetWidth() > MaxSide || pb.GetHeight() > MaxSide {
		return nil
	}
	p := &Preview{Width: int(pb.GetWidth()), Height: int(pb.GetHeight()), Duration: time.Duration(pb.GetDurationMs()) * time.Millisecond,
		ThumbHash: pb.GetThumbhash(), Thumbnail: pb.GetThumbnail(), Waveform: pb.GetWaveform()}
	if !p.Valid() {
		return nil
	}
	return p
}
