// Package attachments moves attachments in and out. Attachments in a document's JSON are
// staged for an edit. Requested attachments go out as they are stored, in ranges, as base64 in
// a document's JSON, or as parts of a multipart message.
//
// What always holds: the bytes of an attachment are never all in memory, neither on the way in
// nor on the way out.
package attachments
