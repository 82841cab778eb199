package access

import (
	"context"
	"errors"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/script"
)

// validator gives what has the validation functions of a database judge the documents
// that a user writes (store.Guard).
func (a *Access) validator(user auth.User) func(context.Context, store.Bare, uint64) (store.Validate, error) {
	return func(ctx context.Context, db store.Bare, design uint64) (store.Validate, error) {
		set, err := a.designs.At(ctx, db, design)
		if err != nil || !set.Validates() {
			return nil, err
		}
		security, err := db.SecurityObject(ctx)
		if err != nil {
			return nil, err
		}
		userCtx := appendUserCtx(nil, db, user)
		return func(ctx context.Context, new, old *store.Document) (refusal, err error) {
			var was []byte
			if old != nil {
				was = old.AppendJSON(nil, store.JSONOptions{})
			}
			return judged(set.Validate(ctx, new.AppendJSON(nil, store.JSONOptions{}), was, userCtx, security))
		}, nil
	}
}

// judged tells what a function said of a document from what kept it from saying anything:
// a limit that it hit, a client that is gone, a server that stops.
func judged(said error) (refusal, err error) {
	if e, ok := errors.AsType[*script.Error](said); ok && e.Kind != script.Stopped {
		return e, nil
	}
	return nil, said
}

// appendUserCtx appends who asks, as functions see it.
func appendUserCtx(b []byte, db interface{ Name() string }, user auth.User) []byte {
	b = wire.AppendString(append(b, `{"db":`...), db.Name())
	b = append(b, `,"name":`...)
	if user.Name == "" {
		b = append(b, "null"...)
	} else {
		b = wire.AppendString(b, user.Name)
	}
	b = append(b, `,"roles":[`...)
	for i, role := range user.Roles {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, role)
	}
	return append(b, "]}"...)
}
