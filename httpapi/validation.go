package httpapi

import (
	"context"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/store"
)

// validator gives what has the validation functions of a database judge the documents
// that a user writes (store.Guard).
func (s *Server) validator(user auth.User) func(context.Context, *store.DB, uint64) (store.Validate, error) {
	return func(ctx context.Context, db *store.DB, design uint64) (store.Validate, error) {
		set, err := s.functions.At(ctx, db, design)
		if err != nil || !set.Validates() {
			return nil, err
		}
		security, err := securityObject(ctx, db)
		if err != nil {
			return nil, err
		}
		userCtx := appendUserCtx(nil, db, user)
		return func(_ context.Context, new, old *store.Document) error {
			var was []byte
			if old != nil {
				was = old.AppendJSON(nil, store.JSONOptions{})
			}
			return set.Validate(new.AppendJSON(nil, store.JSONOptions{}), was, userCtx, security)
		}, nil
	}
}

// securityObject is the security object as functions and users see it.
func securityObject(ctx context.Context, db *store.DB) ([]byte, error) {
	raw, err := db.Security(ctx)
	if err == nil && raw == nil {
		raw = []byte(auth.DefaultSecurity)
	}
	return raw, err
}

// appendUserCtx appends who asks, as functions see it.
func appendUserCtx(b []byte, db *store.DB, user auth.User) []byte {
	b = appendString(append(b, `{"db":`...), db.Name())
	b = append(b, `,"name":`...)
	if user.Name == "" {
		b = append(b, "null"...)
	} else {
		b = appendString(b, user.Name)
	}
	b = append(b, `,"roles":[`...)
	for i, role := range user.Roles {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, role)
	}
	return append(b, "]}"...)
}
