package store

import "context"

// Guard stands between a handle and its database, for whoever the handle was made
// for. It is asked on every way in and every way out: by Write for each edit,
// interactive or replicated, and by Get, OpenRevs, GetMany, GetLocal, AllDocs,
// DocsByKeys, RevsDiff and Changes for each revision, also where only ids are listed. Whoever
// adds a method to DB that takes or gives documents asks it there too (see, takes).
//
// The bytes of attachments are read by digest, and a digest is only to be had from a
// document that was shown.
type Guard struct {
	// Write judges an edit by what there is of its document, and may change it
	// (document.Doc.SetBody). An error refuses this edit and becomes Result.Err, unless it is
	// *Unjudged, which fails the whole Write: it may be well another time. It is called
	// outside any transaction: an edit is written only if the transaction finds what it was
	// judged by, else it is judged again, as it came. nil: all is taken.
	Write func(ctx context.Context, now Standing, e *Edit, opt WriteOptions) error

	// Admin tells, by the database's security object as it stands (nil if it was never set),
	// whether whoever the handle was made for administers the database; an error says why
	// not, and refuses each edit of a design document, tombstones and replicated changes too,
	// purges, and the setting of limits and of the security object. It is asked within the
	// transaction that writes (of edits also before), so it does no I/O. nil: he does.
	Admin func(security []byte) error

	// Design, if not nil, judges the body of a design document that is about to be written,
	// after Admin and before anybody else does. An error means that it could not be judged.
	Design func(ctx context.Context, db *DB, body []byte) (refusal, err error)

	// Validator, if not nil, gives what judges the documents that Write has taken, but for
	// local and design documents, by the functions of the database's design documents; nil
	// if none of those has one. db is the handle without guard, design is what DB.Design
	// gave. An edit is written only if the transaction finds the design documents, and
	// what the edit replaces, as they were when it was judged; else it is judged again.
	Validator func(ctx context.Context, db Bare, design uint64) (Validate, error)

	// UserCtx, if not nil, is who the handle was made for, as functions of design documents
	// see it (DB.UserCtx).
	UserCtx func() []byte

	// Read judges a revision that is about to be shown, and may replace its Body and
	// Attachments; it must not change their bytes. A revision that is not visible is
	// answered as a missing one, and left out of ranges and feeds. An error is given for
	// the one who reads that revision, and leaves it out of ranges and feeds. It may be
	// called inside a snapshot: it does no I/O. nil: all is shown.
	Read func(*Document) (visible bool, err error)
}

// Unjudged is why an edit could not be judged. To take it for a refusal would lose a
// replicated document.
type Unjudged struct{ Err error }

func (e *Unjudged) Error() string { return e.Err.Error() }
func (e *Unjudged) Unwrap() error { return e.Err }

// Guarded makes a handle that asks g. It takes the place of db: one of the two is
// released, and the other not used any more. The guards of both are asked, db's first; of
// Design and Validator that of db, if it has one.
func (db *DB) Guarded(g *Guard) *DB {
	if g == nil {
		return db
	}
	if db.guard != nil {
		g = db.guard.And(g)
	}
	return &DB{database: db.database, guard: g}
}

// And makes a guard that asks both, g first; of Design, Validator and UserCtx that of g, if it has
// one.
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
