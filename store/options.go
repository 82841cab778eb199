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
	// MaxIDLength is the longest document id in bytes (1,024). It is the same on every
	// engine, so that a database can move between them.
	MaxIDLength int
	// Logger is told what happens in the background (nothing).
	Logger *slog.Logger
	// Committed is told of each transaction that has reached the disk: how many documents
	// it wrote and how long it took (nobody). It is called by the goroutine that writes
	// and must not keep it.
	Committed func(documents int, took time.Duration)
	// Clock tells when databases are made and changed (time.Now).
	Clock func() time.Time
}

func (o Options) withDefaults() (Options, error) {
	if o.MaxOpen < 0 || o.MaxDocumentSize < 0 || o.MaxIDLength < 0 {
		return o, fmt.Errorf("store options: MaxOpen, MaxDocumentSize and MaxIDLength must not be negative")
	}
	if o.MaxOpen == 0 {
		o.MaxOpen = 500
	}
	if o.MaxDocumentSize == 0 {
		o.MaxDocumentSize = 8_000_000
	}
	if o.MaxIDLength == 0 {
		o.MaxIDLength = 1024
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
