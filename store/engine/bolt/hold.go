package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
)

// heldName is the file with the note of a hold. While it is there, nobody writes.
const heldName = "held"

// writable tells whether databases may be made and dropped. The caller holds mu.
func (e *Engine) writable() error {
	switch {
	case e.closed:
		return engine.ErrClosed
	case e.held.Load():
		return engine.ErrHeld
	}
	return nil
}

// Hold is part of engine.Holder.
func (e *Engine) Hold(ctx context.Context, was, note []byte) (err error) {
	defer func() { err = systemError(err) }()
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return engine.ErrClosed
	}
	now, err := e.Held(ctx)
	if err == nil && !engine.MayHold(now, was, note) {
		err = engine.ErrOtherHold
	}
	if err == nil {
		err = e.putFile(heldName, note)
	}
	if err != nil {
		e.mu.Unlock()
		return fmt.Errorf("hold the databases: %w", err)
	}
	e.held.Store(true)
	e.mu.Unlock()
	e.allMade()
	e.mu.Lock()
	var open []*file
	for _, f := range e.files {
		open = append(open, f)
	}
	e.mu.Unlock()
	for _, f := range open { // who has begun to write ends
		f.write.Lock()
		//lint:ignore SA2001 nothing is to be done under it
		f.write.Unlock()
	}
	return nil
}

// putFile makes a small file, which is there as a whole or not at all.
func (e *Engine) putFile(name string, note []byte) error {
	path := filepath.Join(e.dir, name)
	f, err := os.OpenFile(path+tempSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(note)
	if err == nil && !e.opt.NoSync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+tempSuffix, path)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(path+tempSuffix))
	}
	return e.syncNames()
}

func (e *Engine) syncNames() error {
	if e.opt.NoSync {
		return nil
	}
	return durable.Names(e.dir)
}

// Held is part of engine.Holder.
func (e *Engine) Held(context.Context) ([]byte, error) {
	note, err := os.ReadFile(filepath.Join(e.dir, heldName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if note == nil {
		note = []byte{}
	}
	return note, err
}

// Unhold is part of engine.Holder.
func (e *Engine) Unhold(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return engine.ErrClosed
	}
	if err := removeIfThere(filepath.Join(e.dir, heldName)); err != nil {
		return err
	}
	e.held.Store(false)
	return e.syncNames()
}
