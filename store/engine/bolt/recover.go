package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/journal"
)

// A record of the journal begins with its kind. Those of a database go on with
//
//	name, id (each with its length before it, a varint) | mark of the state before (position, stamp: 8 bytes each)
//
// and then have entries. So a record says which state it goes on from: it is applied to that, and to no other.
const (
	recordWrite  = 1 // entries
	recordCreate = 2 // the database comes to be, with these entries; the position before is 0
	recordDrop   = 3 // the database is gone; no mark, no entries
	recordDone   = 4 // a position, 8 bytes: what stands before it is in the files
	recordLeave  = 5 // the database is about to go: if its file is gone, so is the database; no mark, no entries
)

func recordHead(kind byte, name string, id engine.DBID, m mark) []byte {
	b := append(make([]byte, 0, 1+2+len(name)+2+len(id)+16), kind)
	b = appendText(appendText(b, name), string(id))
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, m.pos), m.stamp)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func cutText(b []byte) (s string, rest []byte, ok bool) {
	n, read := binary.Uvarint(b)
	if read <= 0 || n > uint64(len(b)-read) {
		return "", nil, false
	}
	b = b[read:]
	return string(b[:n]), b[n:], true
}

// record is a record of a database, taken apart.
type record struct {
	kind    byte
	name    string
	id      engine.DBID
	before  mark
	entries []byte
}

var errRecord = fmt.Errorf("%w: a record of the journal that nobody can have written", engine.ErrForeign)

func parseRecord(b []byte) (r record, err error) {
	if len(b) == 0 || b[0] < recordWrite || b[0] > recordLeave {
		return r, errRecord
	}
	r.kind, b = b[0], b[1:]
	if r.kind == recordDone {
		if len(b) != 8 {
			return r, errRecord
		}
		r.before.pos = binary.BigEndian.Uint64(b)
		return r, nil
	}
	name, b, ok := cutText(b)
	id, b, also := cutText(b)
	if !ok || !also || len(b) < 16 {
		return r, errRecord
	}
	r.name, r.id = name, engine.DBID(id)
	r.before = mark{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
	r.entries = b[16:]
	return r, nil
}

// recovery builds the layers of all databases from the journal.
type recovery struct {
	eng  *Engine
	of   map[whose]*recovered
	made map[string]*recovered // by the record that made them, the newest of each name
	read []whose               // in the order of their first records
}

type whose struct {
	name string
	id   engine.DBID
}

// recovered is what the journal says of a database.
type recovered struct {
	there   bool     // it has a file, with this id
	log     [16]byte // the journal that its file names
	file    mark     // that of its file; of one without, from where its first record went on
	at      mark     // where its layer ends
	made    bool     // its first record made it
	madeAt  uint64   // the position of that record
	lost    bool     // a record went on from a state that is not there
	top     *tree
	keys    int
	bytes   int
	first   uint64     // position of the first record in the layer that is in the journal and nowhere else
	last    uint64     // position of the last record, if its file is damaged
	orphan  bool       // another database has its name, or it is gone
	ousted  bool       // another database has its file, though no record says that it is gone
	bad     error      // its file is damaged
	from    journal.ID // the journal of what is set apart
	apart   uint64     // position of the last record that is set apart, 0 if none is
	journal uint64     // what the journal has up to there is set apart
	missing bool       // the same as bad: its file is not there, though the journal has what it lacked
	left    bool       // it was dropped, though no record says that its file is gone
}

func (r *recovered) forget() {
	r.top, r.keys, r.bytes, r.first, r.at = nil, 0, 0, 0, r.file
}

// replay takes a record in.
func (v *recovery) replay(at journal.Pos, b []byte) error {
	rec, err := parseRecord(b)
	if err != nil {
		return fmt.Errorf("%w, at %d", err, at)
	}
	if rec.kind == recordDone {
		v.done(rec.before.pos)
		return nil
	}
	w := whose{rec.name, rec.id}
	r := v.of[w]
	if r == nil {
		if r, err = v.meet(w, uint64(at), rec); err != nil {
			return err
		}
	}
	if uint64(at) <= r.apart && (rec.kind == recordDrop || rec.kind == recordLeave) {
		return nil // it was put back, and what is set apart came then
	}
	if r.missing && rec.kind == recordDrop {
		r.missing, r.bad = false, nil
	}
	switch {
	case rec.kind == recordDrop:
		// If there is a file still, or again, then it counts as it stands.
		r.forget()
		r.lost, r.orphan, r.ousted, r.left = false, !r.there, false, false
		return nil
	case rec.kind == recordLeave:
		// A crash came before the file was removed, or before that was on disk: then it is as it was.
		r.leave()
		return nil
	case r.orphan:
		if r.bad != nil && uint64(at) > r.apart {
			if r.last = uint64(at); r.first == 0 {
				r.first = r.last
			}
		}
		return nil
	}
	return r.take(uint64(at), rec)
}

// leave has a database be gone that was about to go, if its file is gone.
func (r *recovered) leave() {
	if r.missing {
		r.missing, r.bad = false, nil
	}
	if !r.there && r.bad == nil && !r.ousted {
		r.forget()
		r.orphan, r.left = true, true
	}
}

// take takes in a record of a write, or of a creation.
func (r *recovered) take(at uint64, rec record) error {
	switch {
	case at <= r.file.pos || at <= r.journal:
		return nil
	case rec.before == r.at && !r.lost:
	case rec.before == r.file && (r.there || rec.kind == recordCreate):
		// What came between was never acknowledged, or the file was put back.
		r.forget()
		r.lost = false
	default:
		r.forget()
		r.lost = true
		return nil
	}
	if err := r.apply(rec.entries); err != nil {
		return fmt.Errorf("%w, at %d", err, at)
	}
	if r.first == 0 && at > r.apart {
		r.first = at
	}
	r.at.pos = at
	return nil
}

// give gives a file the layer.
func (r *recovered) give(f *file) {
	f.saved, f.now = r.file, r.at
	f.top, f.topKeys, f.topBytes = r.top, r.keys, r.bytes
	f.since, f.changed = time.Now(), time.Now()
	f.above.Store(int64(r.bytes + r.keys*weight))
	f.aboveKeys.Store(int64(r.keys))
}

// due is what the layer needs the journal for.
func (r *recovered) due() due { return due{top: r.first, apart: r.apart} }

// meet looks at the file of a database that a record at a position speaks of.
func (v *recovery) meet(w whose, at uint64, rec record) (*recovered, error) {
	r := &recovered{}
	path := v.eng.path(w.name)
	id, m, err := readMark(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.made = rec.kind == recordCreate
		r.file = rec.before
		r.orphan = !r.made
	case errors.Is(err, engine.ErrForeign):
		r.orphan, r.bad = true, err // whoever opens it will hear it
	case err != nil:
		return nil, err
	case id != w.id:
		r.orphan, r.ousted = true, true
	default:
		r.there = true
		r.log, r.file = parseMark(m)
	}
	r.at = r.file
	v.of[w] = r
	v.read = append(v.read, w)
	if rec.kind == recordCreate {
		r.madeAt = at
		was := v.made[w.name]
		if was == nil || was.madeAt < at {
			v.made[w.name] = r
		} else { // what is set apart is met before all others
			was = r
		}
		if was != nil {
			was.forget()
			was.orphan = !was.there // one that was kept may have been put back since
		}
	}
	return r, nil
}

// apply takes in a record's entries, in memory of their own.
func (r *recovered) apply(entries []byte) error {
	b := append(make([]byte, 0, len(entries)), entries...)
	if r.top == nil {
		r.top = newTree()
	}
	for len(b) > 0 {
		it, rest, ok := cutEntry(b)
		if !ok {
			return errRecord
		}
		r.top.Set(it)
		r.keys++
		r.bytes += len(b) - len(rest)
		b = rest
	}
	return nil
}

// done is told that everything before a position was in the files once. A file that lacks some of it was put
// back, so it counts as it stands.
func (v *recovery) done(before uint64) {
	for _, r := range v.of {
		if r.first != 0 && r.first < before && r.apart == 0 {
			r.forget()
			r.lost, r.orphan = r.there, !r.there
			if r.bad != nil && r.last >= before { // what it lacks was not among that
				r.first = before
			}
		}
	}
}

// pendingName is a file beside the databases that is there while the journal may have what the files lack. It
// has the identity of the journal.
const pendingName = "journal.pending"

// openJournal opens the journal, and has readers see what it has and the files lack.
func (e *Engine) openJournal() error {
	at := e.journalFolder()
	if err := os.RemoveAll(at + goneSuffix); err != nil {
		return err
	}
	note, err := os.ReadFile(filepath.Join(e.dir, pendingName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there, err := journal.Exists(at)
	if err != nil {
		return err
	}
	if note != nil && !there {
		return fmt.Errorf("%w: the journal is missing in %s, and the databases lack what only it has; whoever wants them as they stand removes %s", engine.ErrForeign, at, filepath.Join(e.dir, pendingName))
	}
	if !there && (e.opt.Direct || e.opt.AsItIs) {
		return nil
	}
	v := &recovery{eng: e, of: map[whose]*recovered{}, made: map[string]*recovered{}}
	if err := v.readApart(); err != nil {
		return err
	}
	leaving, err := e.readLeaving()
	if err != nil {
		return err
	}
	opt := journal.Options{NoSync: e.opt.NoSync, SegmentBytes: e.opt.SegmentBytes, LockTimeout: e.opt.LockTimeout, Room: e.room.spare.Load}
	if e.log, err = journal.Open(at, opt, v.replay); !there && errors.Is(err, engine.ErrFull) {
		// What there is can be read, and deleted. The next start makes one.
		e.opt.Noticed("there is no room for a journal, so there is none until the next start: " + err.Error())
		e.log = nil
		return os.RemoveAll(at)
	}
	if err != nil {
		return err
	}
	if id := e.log.ID(); note != nil && string(note) != string(id[:]) {
		err := fmt.Errorf("%w: the journal in %s is not the one that the databases were written with; whoever wants them as they stand removes %s", engine.ErrForeign, at, filepath.Join(e.dir, pendingName))
		return errors.Join(err, e.log.Close())
	}
	e.pending.Store(note != nil)
	v.leave(leaving)
	v.finish()
	return nil
}

// finish gives the engine what was recovered.
func (v *recovery) finish() {
	e := v.eng
	for _, w := range v.read {
		r := v.of[w]
		if r.bad != nil && (r.first != 0 || r.apart != 0) {
			// What there is of it is kept until the file is in order again, or dropped.
			f := e.newFile(e.path(w.name))
			f.name, f.id, f.unread, f.damaged = w.name, w.id, true, r.bad
			e.dues.put(f, r.due())
			if r.missing {
				e.opt.Noticed(fmt.Sprintf(onlyApart, f.path+aheadSuffix))
			} else {
				e.opt.Noticed(fmt.Sprintf("the journal has what a damaged file lacks: %v", r.bad))
			}
			continue
		}
		if (r.ousted || r.left) && !e.opt.AsItIs { // else it would come back when the other one is dropped, or its file put back
			e.debts = append(e.debts, debt(w))
		}
		if r.apart != 0 && r.from != e.log.ID() && r.there == (r.log == r.from) {
			// It belongs to the file that is there, which is opened with it; or there is none, and it is all that there is.
			if !r.there {
				e.opt.Noticed(fmt.Sprintf(onlyApart, e.path(w.name)+aheadSuffix))
			}
			continue
		}
		if r.there && r.log != e.log.ID() || r.apart != 0 && r.from != e.log.ID() {
			r.forget()
			r.lost = true
		}
		if r.lost {
			e.opt.Noticed(fmt.Sprintf("the journal has what %s lacks, but does not go on from it: the file was put back, and counts as it stands", e.path(w.name)))
		}
		if r.top == nil {
			if r.apart != 0 && !e.opt.AsItIs { // the file has it, or counts as it stands
				_ = e.removeAhead(e.path(w.name))
			}
			continue
		}
		f := e.newFile(e.path(w.name))
		f.name, f.id, f.virtual, f.resting = w.name, w.id, !r.there, true
		r.give(f)
		e.files[f.path] = f
		f.size.Store(0)
		if info, err := os.Lstat(f.path); err == nil {
			f.size.Store(info.Size())
		}
		e.dues.put(f, r.due())
		e.weigh(f)
	}
}

// expect notes on disk that the journal is about to have what the files lack.
func (e *Engine) expect() error {
	if e.pending.Load() {
		return nil
	}
	e.pendingMu.Lock()
	defer e.pendingMu.Unlock()
	if e.pending.Load() {
		return nil
	}
	id := e.log.ID()
	if err := e.putFile(pendingName, id[:]); err != nil {
		return err
	}
	e.pending.Store(true)
	return nil
}

// leaveJournal brings everything to the files and removes the journal. If that cannot be now, because the disk is
// full or a file is damaged, it is used for as long as the Engine is open.
func (e *Engine) leaveJournal() error {
	if !e.flushAll(context.Background()) || !e.dues.none() {
		e.opt.Noticed("the journal stays in use: not all that it has can be written to the files of the databases")
		return nil
	}
	if err := e.closeJournal(true); err != nil {
		return err
	}
	e.log = nil
	at := e.journalFolder()
	if err := os.Rename(at, at+goneSuffix); err != nil { // a half of it would look like one that is damaged
		return err
	}
	if !e.opt.NoSync {
		if err := durable.Names(filepath.Dir(at)); err != nil {
			return err
		}
	}
	return os.RemoveAll(at + goneSuffix)
}

// goneSuffix ends the name of a journal's folder that is being removed.
const goneSuffix = ".gone"

func (e *Engine) journalFolder() string {
	if e.opt.Journal != "" {
		return e.opt.Journal
	}
	return filepath.Join(e.dir, "journal")
}

// closeJournal closes it. whole says that the files have everything.
func (e *Engine) closeJournal(whole bool) error {
	if e.log == nil {
		return nil
	}
	if !whole {
		return e.log.Close()
	}
	end := e.log.End()
	e.markDone(end)
	err := e.log.Release(end)
	if err == nil && e.pending.Load() {
		if err = removeIfThere(filepath.Join(e.dir, pendingName)); err == nil {
			err = e.syncNames()
		}
	}
	return errors.Join(err, e.log.Close())
}

// markDone notes in the journal that the files have what stands before a position.
func (e *Engine) markDone(before journal.Pos) {
	e.releasing.Lock()
	defer e.releasing.Unlock()
	if before <= e.done || before == e.doneEnd {
		return
	}
	_, err := e.log.Append(context.Background(), binary.BigEndian.AppendUint64([]byte{recordDone}, uint64(before)))
	if err == nil {
		e.done, e.doneEnd = before, e.log.End()
	}
}

// newDatabase makes a database by a record of the journal.
func (e *Engine) newDatabase(ctx context.Context, path, name string, first []engine.Entry) (*file, error) {
	f := e.newFile(path)
	f.name, f.id, f.virtual = name, newID(), true
	f.now = mark{stamp: newStamp()}
	f.saved = f.now
	t := &light{}
	for _, entry := range first {
		if len(entry.Key) == 0 || len(entry.Key) > maxKey || len(entry.Value) > maxValue {
			return nil, engine.ErrTooLarge
		}
		t.note(entry.Space, entry.Key, entry.Value, false)
	}
	if t.own == nil {
		t.own = newTree()
	}
	f.write.Lock()
	defer f.write.Unlock()
	if err := e.syncedNames(); err != nil {
		return nil, err
	}
	f.size.Store(0)
	if err := e.roomFor(ctx, f, t.cost(0)); err != nil {
		return nil, err
	}
	return f, f.journal(ctx, recordCreate, t)
}

// syncedNames makes sure that what was removed does not come back under the name of what is made now.
func (e *Engine) syncedNames() error {
	if !e.namesUnsynced.Load() {
		return nil
	}
	if err := durable.Names(e.dir); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	e.namesUnsynced.Store(false)
	return nil
}
