package repository

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"os"
)

// flow writes a file, and sums up what it writes. It ends with end.
type flow struct {
	*relay
	file *os.File
	hash hash.Hash
	size int64 // written
	// written is told of bytes that are with the system now; nil: nobody wants to know
	written func(f *os.File, from, to int64)
}

func newFlow(f *os.File) *flow {
	w := &flow{file: f, hash: sha256.New()}
	w.relay = newRelay(w.store)
	return w
}

// store sums up and writes a buffer.
func (w *flow) store(b []byte) error {
	w.hash.Write(b)
	n, err := w.file.Write(b)
	from := w.size
	w.size += int64(n)
	if w.written != nil {
		w.written(w.file, from, w.size)
	}
	return err
}

// sum is the SHA-256 of all that was written.
func (w *flow) sum() string { return hex.EncodeToString(w.hash.Sum(nil)) }
