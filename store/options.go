package store

import (
	"fmt"
	"log/slog"
	"time"
)

// Options tune a Store; the zero value is safe.
type Options struct {
	// MaxOpen is how many databases are kept open when nobody uses them (500). More
	// costs memory and file handles; databases in use are never closed.
	MaxOpen int
	// MaxDocumentSize is the greatest JSON of one document in bytes (8,000,000).
	MaxDocumentSize int64
	// MaxIDLength is the longest document id in bytes, with _design/ or _local/. 0 is no limit
	// but MaxDocumentSize, which no id exceeds.
	MaxIDLength int64
	// MaxPartitionSize is the size in bytes (PartitionInfo.External) from which on a partition is
	// full: interactive edits may not make its documents larger (*PartitionOverflow). 0 is no
	// limit.
	MaxPartitionSize int64
	// UploadMemory limits the bytes that the buffers of attachments from clients have together
	// (32 MiB). Each upload has a few KiB besides. UploadWait limits how long an upload waits
	// for its part (10 s).
	UploadMemory int64
	UploadWait   time.Duration
	// NoRoom tells whether the disk has too little room left for new documents: then ErrNoRoom
	// refuses all but deletions and local documents, and what the server writes with a handle
	// without guard (default: it never has). It is asked at each write, so it must return quickly.
	NoRoom func() bool
	// Logger receives what happens in the background (default: nothing is logged).
	Logger *slog.Logger
	// Committed is called after each transaction of a database that Names lists, when it has reached
	// the disk, with how many documents it wrote and how long it took (default: none). The goroutine
	// that writes calls it, so it must return quickly.
	Committed func(documents int, took time.Duration)
	// Clock gives the times at which databases are created and changed (time.Now).
	Clock func() time.Time
}

func (o Options) withDefaults() (Options, error) {
	if o.MaxOpen < 0 || o.MaxDocumentSize < 0 || o.MaxIDLength < 0 || o.MaxPartitionSize < 0 || o.UploadMemory < 0 || o.UploadWait < 0 {
		return o, fmt.Errorf("store options: MaxOpen, MaxDocumentSize, MaxIDLength, MaxPartitionSize, UploadMemory and UploadWait must not be negative")
	}
	if o.MaxOpen == 0 {
		o.MaxOpen = 500
	}
	if o.MaxDocumentSize == 0 {
		o.MaxDocumentSize = 8_000_000
	}
	if o.MaxIDLength == 0 || o.MaxIDLength > o.MaxDocumentSize {
		o.MaxIDLength = o.MaxDocumentSize
	}
	if o.UploadMemory == 0 {
		o.UploadMemory = 32 << 20
	}
	if o.UploadWait == 0 {
		o.UploadWait = 10 * time.Second
	}
	if o.NoRoom == nil {
		o.NoRoom = func() bool { return false }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Committed == nil {
		o.Committed = func(int, time.Duration) {}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o, nil
}
