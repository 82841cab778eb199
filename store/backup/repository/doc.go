// Package repository keeps backups of servers in a Storage: a folder, or a bucket of an object
// store (package repository/s3).
//
// A repository is a set of objects:
//
//	tododb-repository.json              what this is, its format, and its salt
//	tododb-repository.spare.json        the same once more
//	segments/aa/SHA256                  a part of the stream of a database (package store/backup)
//	ids/aa/SHA256                       the ids of documents in the segment of that name, in their order
//	packs/aa/SHA256                     the contents of attachments, each stored once
//	backups/TIME-ID-SHA256              one for each backup: its databases, their segments, their packs
//	runs/KEY                            how far a run came that has not ended
//	locks/ID                            who is at work
//
// Segments, lists of ids, packs and backups are compressed (segments by zstd, or S2 where somebody would
// have to wait for zstd: segmentMagic), and encrypted if the repository has recipients. The name of each has
// the SHA-256 of its bytes, so what is damaged is found without a key. Only a list of ids is not named so: it
// is made anew if anything is wrong with it. The head of a backup, one line of JSON, is never encrypted: it
// has times, sizes and the names of objects, and of databases only a hash. So the next backup, forget, and
// the part of prune that deletes need no key.
//
// What always holds:
//
//   - an object is whole or not there, and never changes;
//   - whatever a backup names was there before it, and its storage had said that it is kept;
//   - what no backup and no run names is garbage, and prune deletes it. It alone deletes
//     segments and packs, while it holds a lock that excludes everybody else;
//   - so a process that is killed at any point leaves garbage and a lock behind, and no
//     backup that was there is harmed.
package repository
