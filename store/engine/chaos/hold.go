package chaos

import (
	"bytes"
	"context"

	"github.com/tododb/tododb/store/engine"
)

func (e *Engine) isHeld() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.held != nil
}

// Hold is part of engine.Holder.
func (e *Engine) Hold(ctx context.Context, was, note []byte) error {
	if err := e.call(); err != nil {
		return err
	}
	e.mu.Lock()
	if !engine.MayHold(e.held, was, note) {
		e.mu.Unlock()
		return engine.ErrOtherHold
	}
	e.held = append([]byte{}, note...)
	var all []*database
	for _, d := range e.dbs {
		all = append(all, d)
	}
	e.mu.Unlock()
	for _, d := range all { // who has begun to write ends
		d.write.Lock()
		//lint:ignore SA2001 nothing is to be done under it
		d.write.Unlock()
	}
	return nil
}

// Held is part of engine.Holder.
func (e *Engine) Held(context.Context) ([]byte, error) {
	if err := e.call(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return bytes.Clone(e.held), nil
}

// Unhold is part of engine.Holder.
func (e *Engine) Unhold(context.Context) error {
	if err := e.call(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held = nil
	return nil
}
