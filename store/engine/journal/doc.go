// Package journal is an append-only log of records in a folder: what was appended is on disk when
// Append returns, and comes back in the same order after whatever crash.
//
// It knows nothing of what the records say. A record has a position (Pos), which only grows. Callers
// at the same time share one write and one sync. When all that a record says is kept elsewhere, Release lets
// the file that it is in go.
//
// # Files
//
// The log is cut into segments, one file each, named by their number in hex and Suffix. The numbers have
// no gap. A segment is made under another name and renamed when its header is on disk, so a file with the
// right name has a whole header. But while the second half of a segment is written, the next one is prepared: a file of
// zeros alone gets its name, and the first frame brings the header, in one sync, so that nobody waits for a segment to be
// made. The last file may therefore have no header yet. Then there is no segment: nothing in it was acknowledged. The position of a byte is that of the segment's beginning plus its place in
// the segment, the header left out, so where one segment ends the next begins.
//
//	header of a segment, 64 bytes (numbers are little-endian)
//	 0  8  "todojnl1"
//	 8 16  ID of the journal
//	24  8  mark: random, of this segment only
//	32  8  number of the segment
//	40  8  first: the position of the first frame
//	48 12  0
//	60  4  CRC-32C of the 60 bytes before it
//
//	frame
//	 0  8  mark of the segment
//	 8  8  position of this frame
//	16  4  length of the body
//	20  4  CRC-32C of the body
//	24  1  kind
//	25  3  0
//	28  4  CRC-32C of the 28 bytes before it
//	32     body
//
//	kind    body
//	batch   records: the length of each in 4 bytes, and its bytes. Its position is that of its length
//	synced  none: the end of the log, and all before it is on disk. The next frame is written over it
//	sealed  none: the end of this segment, and the next one is there. Nothing comes after it
//	kept    a segment's number in 8 bytes: those before it were released
//
// After the last frame come zeros, to the end of what was allocated in advance: a sync of bytes that the
// file has already costs the file system no note of its own.
//
// # What a crash leaves
//
// A batch, or a kept frame, is written at once and synced before the next frame is begun. So at most one is
// not known to be on disk, and any part of it may be missing, also its beginning while its end is there.
// Nobody was told that it is there. It is cut off by Open: this is the torn tail.
//
// The beginning of a frame therefore says that all before it is on disk. If the reader meets a bad frame and
// there is a good beginning anywhere behind it, in the same segment or a later one, then the bad frame was on
// disk once and is damaged: Open fails with a DamageError and changes nothing. A good beginning is one whose sum, mark and position
// are right. Neither old contents of the disk nor contents of records pass for one, as they don't know the mark, and
// a cut takes the beginning of what is cut away. A frame "synced" is such a beginning. It is written when
// nobody waits, and by Close. So damage of the last batch can be taken for a torn tail only if the
// process or the machine stopped between the sync of that batch and the write of the few bytes behind it, or the
// machine before the system wrote them to disk by itself. Nothing in the log could tell these apart.
//
// A segment is complete if its frames reach the position at which the next one begins. What is behind them
// counts for nothing: when a write or a sync fails, a new segment that begins where the last good batch
// ended takes what may have been written of the bad one out of the log; that one has its header on disk before anything else. A segment that is missing at the beginning is one that
// the last frame "kept" says is there, one in the middle leaves a gap, and one at the end was announced by the
// frame "sealed".
//
// # Invariants
//
//   - nothing is acknowledged before it is on disk; what is acknowledged comes back until it is released;
//   - a batch is there whole or not at all;
//   - what Append said was not written does not come back; what it could not know is ErrUnknown, and then no
//     later Append succeeds;
//   - a segment that is not the last one never changes.
package journal
