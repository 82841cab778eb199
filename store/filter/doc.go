// Package filter selects changes of a database: by document ids, by a selector, by a view, or
// by a function of a design document. It serves _changes?filter=, and filtered replication from
// a local source.
//
// A Filter works on the handle it was opened with. It does not find what that handle hides, and
// the functions that it asks learn who the handle's user is.
//
// A faulty query is an *Error. A missing design document or function is store.ErrMissing,
// store.ErrDeleted, or a *script.Error of kind Missing.
package filter
