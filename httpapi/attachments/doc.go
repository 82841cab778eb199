// Package attachments carries attachments in and out: those that come in the JSON of a
// document are staged for an edit, those that are asked for go out as they are stored, in
// ranges, as base64 in a document's JSON, or as parts of a multipart message.
//
// What always holds: the bytes of an attachment are never all in memory, neither on their
// way in nor on their way out.
package attachments
