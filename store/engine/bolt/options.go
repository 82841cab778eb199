package bolt

import (
	"cmp"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// Options tune an Engine; the zero value is safe.
type Options struct {
	// LockTimeout is how long to wait for another process to release a file (1 s).
	LockTimeout time.Duration
	// AppendOnly names the spaces whose keys only grow: their pages are filled to the brim
	// instead of being left half empty by splits.
	AppendOnly []engine.Space
	// Damaged is called once for each file that turns out to be damaged or not one of our
	// databases (default: none). It must not call the Engine.
	Damaged func(path string, why error)
	// Kept tells, when a database is dropped, whether its file is to be kept under another name:
	// the one that it had, the time, and KeptSuffix. Whoever gives it its old name again has the
	// database as it was (no file is kept). It must not call the Engine.
	Kept func() bool
	// Journal is the folder of the journal ("journal" in the folder of the databases).
	Journal string
	// Direct does without a journal: every transaction goes to the database's file at once. What a journal has
	// that is there from before goes to the files first, and the journal away.
	Direct bool
	// SegmentBytes is how long a file of the journal gets (16 MiB).
	SegmentBytes int64
	// DirectBytes is about how much a transaction may write to go through the journal (256 KiB). More than
	// that goes to the file at once, so that nothing large is written twice.
	DirectBytes int64
	// FlushBytes is how much of one database may stand only in the journal before it is written to its
	// file (4 MiB), JournalBytes how long the journal gets before databases are written to their files for
	// its sake (64 MiB), and FlushAfter how long something stands only there (30 s).
	FlushBytes, JournalBytes int64
	FlushAfter               time.Duration
	// UnflushedBytes is about how much memory what stands only in the journal may take, of all databases, before the
	// oldest of it is written to files (32 MiB).
	UnflushedBytes int64
	// Scattered is the space whose keys come in no order (none). In a large database they are gathered beside it,
	// and brought to their places later, many at a time.
	Scattered engine.Space
	// GatherFrom is how many leaf pages that space has before its keys are gathered (2,048), GatherBytes about
	// how much memory what is gathered may take in one database (12 MiB), GatherAll in all of them (36 MiB), and GatherAfter how
	// long it stays where nobody writes (30 s).
	GatherFrom, GatherBytes, GatherAll int
	GatherAfter                        time.Duration
	// CloseWithin is how long Close writes to the files what stands only in the journal (4 s). What does not get
	// there stays in the journal.
	CloseWithin time.Duration
	// NearlyFull tells that the disk has little room left (never). What stands only in the journal then goes to the
	// files at once, however new it is, because the journal takes room as long as it is needed. It must not call the Engine.
	NearlyFull func() bool
	// AsItIs leaves what the journal has where it is, for programs that only read.
	AsItIs bool
	// Noticed is called with what is worth a line in a log (default: nobody hears it). It must not call
	// the Engine.
	Noticed func(what string)
	// NoSync skips syncing to disk: a crash of the machine, though not of the process, loses
	// or damages what was written. For tests of something else.
	NoSync bool
}

// What they are if they are not set.
const (
	directBytes    = 256 << 10
	flushBytes     = 4 << 20
	journalBytes   = 64 << 20
	unflushedBytes = 32 << 20
	flushAfter     = 30 * time.Second
	closeWithin    = 4 * time.Second
)

// complete gives what is not set its default.
func (opt *Options) complete() {
	opt.LockTimeout = cmp.Or(opt.LockTimeout, time.Second)
	opt.DirectBytes = cmp.Or(opt.DirectBytes, directBytes)
	opt.FlushBytes = cmp.Or(opt.FlushBytes, flushBytes)
	opt.JournalBytes = cmp.Or(opt.JournalBytes, journalBytes)
	opt.UnflushedBytes = cmp.Or(opt.UnflushedBytes, unflushedBytes)
	opt.FlushAfter = cmp.Or(opt.FlushAfter, flushAfter)
	opt.GatherFrom = cmp.Or(opt.GatherFrom, gatherFrom)
	opt.GatherBytes = cmp.Or(opt.GatherBytes, gatherBytes)
	opt.GatherAll = cmp.Or(opt.GatherAll, gatherAll)
	opt.GatherAfter = cmp.Or(opt.GatherAfter, gatherAfter)
	opt.CloseWithin = cmp.Or(opt.CloseWithin, closeWithin)
	if opt.Noticed == nil {
		opt.Noticed = func(string) {}
	}
	if opt.Damaged == nil {
		opt.Damaged = func(string, error) {}
	}
}
