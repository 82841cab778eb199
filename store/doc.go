// Package store keeps databases of JSON documents: their revisions, their
// sequence of changes, their local documents.
//
// A Store is the set of databases of one server, on a storage engine. A DB is one database. All
// documents come in by DB.Put and DB.Write, interactive edits and replicated changes alike.
// Get, OpenRevs, AllDocs and Changes read them.
//
// What always holds:
//   - Write returns after its data is on disk, or with an error;
//   - the transaction that writes also decides: whether a revision may be edited is
//     judged against the tree that the new revision is put into;
//   - every document has exactly one entry in the sequence, its newest, and a
//     sequence number is never handed out twice;
//   - a sequence and its epoch (Seq) name one state of the database for ever, whatever is
//     done to its files; a sequence alone means nothing outside an open database;
//   - a reader sees one moment of a document: its body, its revision and its
//     sequence belong together;
//   - no snapshot is held while a caller does I/O.
//
// # What is on disk
//
// Keys have any length: package store/engine/anykey says how engines hold long ones.
//
// Every database is a set of ordered key spaces of the engine. Every value starts
// with a version byte (1).
//
//	space  key                     value
//	meta   name                    database identity, epochs, revs limit, security object, ...
//	doc    document id             flags, update sequence, the winner, the tree of revisions
//	       ff and a partition      running totals of the partition, in a partitioned database
//	seq    sequence (8 bytes)      document id, winner, leaves, running totals of the database
//	body   sequence (8), n (4)     flags, attachments, JSON body, compressed where that pays
//	local  document id             revision number, JSON body
//	purge  purge sequence (8)      uuid, document id, revisions
//	time   sequence (8)            the second in which the changes after it were committed
//	once   key, and a queue        answers to writes that must not be repeated
//	conflict  sequence (8)         of documents in conflict: the leaves' common ancestors
//
// Numbers in keys are big endian, so that byte order is their order. The exact layout of each
// value stands with the code that writes it (record.go). The parts that values are made of are
// in store/record.
//
// The sequence of a write is Last(seq)+1, taken in the transaction that inserts it;
// there is no counter record. The running totals ride in each seq entry, so the
// newest entry holds the present ones. A change without a document (a new security
// object, a purge of the newest document) leaves an entry without an id, a marker,
// which feeds skip and the next write removes.
//
// In a partitioned database the id of every document is PARTITION:ID, so a partition is a range
// of the doc space. Totals of partitions stand together behind all documents. A transaction writes
// those that it changes once, however many documents it writes.
package store
