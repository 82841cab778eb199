// Package filter chooses among the changes of a database: by document ids, by a selector, by
// a view, or by a function of a design document. It is what _changes?filter= asks for, and
// what a replication with a filter asks of a source that is here.
//
// A Filter works on the handle it was opened with: what that handle hides it does not find,
// and the functions that it asks are told for whom the handle was made.
//
// What is wrong with a query is an *Error. A design document or a function that is not there
// is store.ErrMissing, store.ErrDeleted, or a *script.Error of the kind Missing.
package filter
