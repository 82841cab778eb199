// Package documents answers what is asked of documents by their ids: reading and writing one
// of them, its revisions and its attachments, many at once (_bulk_docs, _bulk_get,
// _revs_diff), local documents, and purges.
//
// Whatever way a document is sent, its handler reads it to the end, makes a store.Edit of it
// and has package write write that.
//
// What always holds:
//   - what cannot be read anywhere in a request fails all of it, and nothing is written;
//   - the query, the header If-Match and the body may each name the revision to replace, and
//     never different ones;
//   - a handler that writes documents writes once, with the options of package write, so that
//     an Idempotency-Key covers all that it does;
//   - of the revisions that are asked for, one at a time is in memory.
package documents
