package access

import (
	"context"
	"errors"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/script"
)

// validator returns what runs a database's validation functions, and asks its selectors, on the
// documents that the user writes (store.Guard).
func (v *visitor) validator(ctx context.Context, db store.Bare, designs uint64) (store.Validate, error) {
	set, err := v.a.designs.At(ctx, db, designs)
	if err != nil || !set.Validates() {
		return nil, err
	}
	security, err := db.SecurityObject(ctx)
	if err != nil {
		return nil, err
	}
	userCtx := v.userCtx()
	return func(ctx context.Context, new, old *store.Document) (refusal, err error) {
		var was []byte
		if old != nil {
			was = old.AppendJSON(nil, store.JSONOptions{})
		}
		e := design.Proposed{New: new.AppendJSON(nil, store.JSONOptions{}), Old: was, UserCtx: userCtx, Security: security}
		return judged(set.Validate(ctx, e, mango.Validate))
	}, nil
}

// judged tells a function's refusal apart from what stopped the function: a limit, a client
// that is gone, a server that stops.
func judged(said error) (refusal, err error) {
	if e, ok := errors.AsType[*script.Error](said); ok && e.Kind != script.Stopped {
		return e, nil
	}
	return nil, said
}

// appendUserCtx appends the user as functions see them.
func appendUserCtx(b []byte, db string, user auth.User) []byte {
	b = wire.AppendString(append(b, `{"db":`...), db)
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
