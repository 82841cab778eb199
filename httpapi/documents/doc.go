// Package documents answers what is asked of documents by their ids: reading and writing one
// of them, its revisions and its attachments, many at once (_bulk_docs, _bulk_get,
// _revs_diff), local documents, and purges.
//
// In whatever way a document is sent, the request is read to its end first. Then the document
// becomes a store.Edit, which is written as package write has it.
//
// What always holds:
//   - what cannot be read anywhere in a request that writes fails all of it;
//   - the query, the header If-Match and the body may each name the revision to replace, and
//     never different ones;
//   - a request with an Idempotency-Key is one write, with the options of package write;
//   - of the revisions that are asked for, one at a time is in memory.
package documents
