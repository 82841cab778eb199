package store

import "context"

// Guard stands between a handle and its database, on behalf of the handle's user. It is asked
// on every way in and out: by Write for each edit, interactive or replicated, and by Get,
// OpenRevs, GetMany, GetLocal, AllDocs, DocsByKeys, RevsDiff and Changes for each revision,
// even if they list only ids. A new method of DB that accepts or returns documents must ask it
// too (see, takes).
//
// The bytes of attachments are read by digest. A digest can only be learned from a document
// that was shown.
type Guard struct {
	// Write judges an edit by what there is of its document, and may change the edit
	// (document.Doc.SetBody). An error refuses this edit and becomes Result.Err, except
	// *Unjudged, which fails the whole Write: a later try may succeed. Write is called outside
	// any transaction. If the transaction finds something other than what Write judged by, the
	// original edit is judged again. nil: every edit is accepted.
	Write func(ctx context.Context, now Standing, e *Edit, opt WriteOptions) error

	// Admin judges, by the current security object (nil if it was never set), whether the
	// handle's user administers the database; an error says why not. It then refuses each edit
	// of a design document, tombstones and replicated changes too, purges, and the setting of
	// limits and of the security object. It is asked within the transaction that writes (for
	// edits also before), so it does no I/O. nil: they do.
	Admin func(security []byte) error

	// Design, if not nil, judges the body of a design document that is about to be written,
	// after Admin and before any other check. err means that it could not be judged.
	Design func(ctx context.Context, db *DB, body []byte) (refusal, err error)

	// Validator, if not nil, returns the function that judges the documents accepted by Write,
	// except local and design documents. It runs the functions of the database's design
	// documents; it is nil if there are none. db is the handle without a guard, and design is
	// the result of DB.Design. If the transaction finds that the design documents, or what the
	// edit replaces, have changed, the edit is judged again.
	Validator func(ctx context.Context, db Bare, design uint64) (Validate, error)

	// UserCtx, if not nil, describes the handle's user as functions of design documents see
	// them (DB.UserCtx).
	UserCtx func() []byte

	// Read judges a revision that is about to be shown, and may replace its Body and
	// Attachments; it must not change their bytes. An invisible revision reads as missing, and
	// is left out of ranges and feeds. An error goes to a reader of that revision; ranges and
	// feeds leave the revision out. Read may be called inside a snapshot, so it does no I/O.
	// nil: all is shown.
	Read func(*Document) (visible bool, err error)
}

// Unjudged is why an edit could not be judged. Treating it as a refusal would lose a replicated
// document.
type Unjudged struct{ Err error }

func (e *Unjudged) Error() string { return e.Err.Error() }
func (e *Unjudged) Unwrap() error { return e.Err }

// Guarded makes a handle that asks g. It takes the place of db: release one of the two, and
// stop using the other. The guards of both are asked, db's first; Design, Validator and UserCtx
// are db's where it has them.
func (db *DB) Guarded(g *Guard) *DB {
	if g == nil {
		return db
	}
	if db.guard != nil {
		g = db.guard.And(g)
	}
	return &DB{database: db.database, guard: g}
}

// And makes a guard that asks both, g first; Design, Validator and UserCtx are g's where it has
// them.
func (g *Guard) And(other *Guard) *Guard {
	both := &Guard{Admin: g.Admin, Read: g.Read, Write: g.Write, Validator: g.Validator, Design: g.Design, UserCtx: g.UserCtx}
	if g.Admin == nil {
		both.Admin = other.Admin
	} else if other.Admin != nil {
		both.Admin = func(security []byte) error {
			if err := g.Admin(security); err != nil {
				return err
			}
			return other.Admin(security)
		}
	}
	if g.Design == nil {
		both.Design = other.Design
	}
	if g.Validator == nil {
		both.Validator = other.Validator
	}
	if g.UserCtx == nil {
		both.UserCtx = other.UserCtx
	}
	if g.Read == nil {
		both.Read = other.Read
	} else if other.Read != nil {
		both.Read = func(d *Document) (bool, error) {
			if visible, err := g.Read(d); !visible || err != nil {
				return false, err
			}
			return other.Read(d)
		}
	}
	if g.Write == nil {
		both.Write = other.Write
	} else if other.Write != nil {
		both.Write = func(ctx context.Context, now Standing, e *Edit, opt WriteOptions) error {
			if err := g.Write(ctx, now, e, opt); err != nil {
				return err
			}
			return other.Write(ctx, now, e, opt)
		}
	}
	return both
}
