// Package backup is the logical stream of a database: what a backup is made of, and what a restore
// reads. It is the same whatever engine the database is on. It carries the store's own records, so
// nothing is lost and nothing is converted.
//
// A stream is whole, or it continues an earlier one from the Point where that one ended. A whole
// stream and the ones that continue it, one after the other, fold to exactly one state of the
// database: that at the end of the last of them. Capture writes streams, Reader reads them, Restore
// folds them into a database.
//
// # Layout
//
// A stream is a row of items. Each one is
//
//	kind (1) | uvarint length | payload | checksum (4, big endian)
//
// The checksum is the CRC-32C of the item's number in the stream (8 bytes, big endian, the header's
// is 0), its kind and its payload. So an item that is damaged, left out, repeated or moved is
// noticed where it stands. The end has a sum of the whole stream besides. Both are against accidents: a
// SHA-256 of what is kept is the keeper's to have (package repository). The payloads:
//
//	H header      format version | bytes database name | bytes instance | bytes epoch | uvarint last | flags | Point: since
//	A attachment  digest (16) | uvarint length | uvarint linked | 1 if its content follows, else 0
//	C chunk       the next bytes of the attachment before it, as a chunk record of the store
//	B body        key (12) | body record
//	D document    bytes id | uvarint seq | bytes document record | bytes sequence entry
//	G gone        id of a document that is there no longer
//	S survivors   uvarint from | uvarint to-from | uvarint distances: sequences that documents have
//	W space       space (1): all that was carried of this space before is void
//	E entry       space (1) | bytes key | value
//	T trim        space (1) | key: entries before it are gone
//	Z end         Point: end | uvarint items, counted up to here | uvarint documents | uvarint deleted | xxHash of all bytes before (8, big endian)
//
// where bytes is uvarint length, content, and a Point is bytes.
//
//   - The header is first and the end is last. A stream without its end is cut.
//   - Documents come in the order of their sequences. One that is written while the stream is made
//     comes again, later, and then the last one counts.
//   - All that a document needs, and that the stream from since on has not had, comes before it: the
//     content of attachments, then the bodies of its revisions, then the document.
//     So a stream that was cut is continued behind its last document: by the stream from the Point
//     that Reader.Reached gives. The cut stream and that one count as one.
//   - An attachment may come twice. Without content, it is to be had elsewhere (Contents).
//   - Survivors are all sequences from..to that documents have: one that came before with a
//     sequence between, and is not among them, is gone.
//   - Entries of purges, times and recorded answers are added to earlier ones. Properties, local
//     documents and death records come whole, after a space item, if they have changed.
//
// # Segments
//
// A segment is a run of whole items of a stream. A stream may be cut into segments between any two
// items (Item.Bytes has exactly the bytes of one), and the segments, one after the other, are the
// stream again, byte for byte. Streams, one after the other, are what Restore and Reader take: a
// Reader goes on from an end to the next header.
package backup
