// Package documents answers requests for documents by id: reading and writing one document,
// its revisions and its attachments, many at once (_bulk_docs, _bulk_get, _revs_diff), local
// documents, and purges.
//
// However a document is sent, the request is read to its end first. Then the document becomes
// a store.Edit, which is written as package write says.
//
// What always holds:
//   - if any part of a request that writes cannot be read, all of it fails;
//   - the query, the header If-Match and the body may each name the revision to replace, but
//     not different ones;
//   - a request with an Idempotency-Key is one write, with the options of package write;
//   - only one of the requested revisions at a time is in memory.
package documents
