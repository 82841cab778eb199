package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/journal"
)

// aheadSuffix ends the name of a file beside that of a database, which has the records that the database's file
// lacks. There is one if the database's file cannot be written, because it is damaged for one: so that the journal
// does not have to be kept, with what all other databases have written since.
//
//	"todoahd1" | id of the journal (16 bytes) | records | CRC-32C of all before it (4 bytes)
//	record: its position in the journal (8) | its length (4) | as it stands in the journal
//
// Numbers are big-endian. The file is made under another name, so it is whole. When the database's file has
// everything, it is removed; one that is still there does no harm, since records say which state they go on from.
const aheadSuffix = ".ahead"

const onlyApart = "%s has what was written last to a database whose file is missing"

const aheadMagic = "todoahd1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ahead is the content of such a file.
type ahead struct {
	journal journal.ID
	records []apartRecord
}

type apartRecord struct {
	at   journal.Pos
	body []byte
}

// readAhead reads such a file. It is nil if there is none.
func readAhead(path string) (*ahead, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a, ok := parseAhead(b)
	if !ok {
		return nil, fmt.Errorf("%w: %s: it is not what was written", engine.ErrForeign, path)
	}
	return a, nil
}

func parseAhead(b []byte) (*ahead, bool) {
	const head = len(aheadMagic) + 16
	if len(b) < head+4 || string(b[:len(aheadMagic)]) != aheadMagic {
		return nil, false
	}
	end := len(b) - 4
	if binary.BigEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return nil, false
	}
	a := &ahead{}
	copy(a.journal[:], b[len(aheadMagic):])
	for rest := b[head:end]; len(rest) > 0; {
		if len(rest) < 12 || uint64(binary.BigEndian.Uint32(rest[8:])) > uint64(len(rest)-12) {
			return nil, false
		}
		n := 12 + int(binary.BigEndian.Uint32(rest[8:]))
		a.records = append(a.records, apartRecord{journal.Pos(binary.BigEndian.Uint64(rest)), rest[12:n]})
		rest = rest[n:]
	}
	return a, true
}

func (a *ahead) encode() []byte {
	b := append([]byte(aheadMagic), a.journal[:]...)
	for _, r := range a.records {
		b = binary.BigEndian.AppendUint64(b, uint64(r.at))
		b = binary.BigEndian.AppendUint32(b, uint32(len(r.body)))
		b = append(b, r.body...)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// last is the position of the last record of a database, 0 if there is none.
func (a *ahead) last(id engine.DBID) (at uint64) {
	if a == nil {
		return 0
	}
	for _, r := range a.records {
		if rec, err := parseRecord(r.body); err == nil && rec.id == id {
			at = max(at, uint64(r.at))
		}
	}
	return at
}

func (a *ahead) each(fn func(journal.Pos, []byte) error) error {
	for _, r := range a.records {
		if err := fn(r.at, r.body); err != nil {
			return err
		}
	}
	return nil
}

// removeAhead removes the file of records of the database at a path, if there is one.
func (e *Engine) removeAhead(path string) error {
	if !e.aheads.Load() { // looking for them would cost each new database a search of the folder
		return nil
	}
	return errors.Join(removeIfThere(path+aheadSuffix), removeIfThere(path+aheadSuffix+tempSuffix))
}

// setApart copies what only the journal has of a database to a file of its own, so that the journal is not needed
// for it.
func (e *Engine) setApart(f *file) error {
	f.write.Lock()
	defer f.write.Unlock()
	f.flush.Lock()
	defer f.flush.Unlock()
	d, there := e.dues.at(f.path)[f]
	if !there || d.first() == noPos || f.removed.Load() {
		return nil
	}
	a := &ahead{journal: e.log.ID()}
	old, err := readAhead(f.path + aheadSuffix)
	if err != nil && d.apart != 0 {
		return err
	}
	if old != nil && old.journal == a.journal {
		needed := map[engine.DBID]bool{} // as long as the file is damaged, nobody knows which of those that had its name is in it
		for of, d := range e.dues.at(f.path) {
			needed[of.id] = d.apart != 0
		}
		for _, r := range old.records {
			if rec, err := parseRecord(r.body); err == nil && needed[rec.id] {
				a.records = append(a.records, r)
			}
		}
	}
	known := a.last(f.id)
	err = e.log.Read(journal.Pos(d.first()), func(at journal.Pos, b []byte) error {
		rec, err := parseRecord(b)
		if err != nil || rec.kind != recordWrite && rec.kind != recordCreate {
			return err
		}
		if rec.name == f.name && rec.id == f.id && uint64(at) > known {
			a.records = append(a.records, apartRecord{at, append([]byte(nil), b...)})
		}
		return nil
	})
	if err == nil && a.last(f.id) != 0 {
		e.aheads.Store(true)
		err = e.putFile(filepath.Base(f.path)+aheadSuffix, a.encode())
	}
	if err != nil {
		return systemError(err)
	}
	e.dues.set(f, due{apart: a.last(f.id)})
	return nil
}

// setBrokenApart does that with all databases whose files are damaged. If the journal is long, it does so too with
// those whose files cannot be written for another reason than that the disk is full.
func (e *Engine) setBrokenApart() {
	half := e.oldHalf()
	for f, d := range e.dues.all() {
		if d.first() == noPos || f.whyDamaged() == nil && (!f.barred.Load() || d.first() >= half) {
			continue
		}
		if err := e.setApart(f); err == nil {
			e.opt.Noticed("what the journal has of a database is in a file of its own until the database's file can be written: " + f.path + aheadSuffix)
		} else if !f.pinned.Swap(true) {
			e.opt.Noticed("cannot write a file of its own for what the journal has of a damaged database; it will be tried again: " + err.Error())
		}
	}
}

// absorb writes to a file that has just been opened what is set apart of it, where there is no journal that it could stand
// in, or another one. The caller holds mu.
func (e *Engine) absorb(f *file) error {
	path := f.path + aheadSuffix
	apart, err := readAhead(path)
	if err != nil || apart == nil {
		return err
	}
	e.aheads.Store(true)
	r := &recovered{there: true, file: f.saved, at: f.saved}
	err = apart.each(func(at journal.Pos, b []byte) error {
		rec, err := parseRecord(b)
		if err != nil || rec.id != f.id || apart.journal != f.of {
			return err
		}
		return r.take(uint64(at), rec)
	})
	if err != nil {
		return err
	}
	if r.top == nil {
		if apart.last(f.id) > f.saved.pos || apart.journal != f.of {
			e.opt.Noticed(fmt.Sprintf("%s has what %s lacks, but does not go on from it: the file was put back, and counts as it stands", path, f.path))
		}
		if e.opt.AsItIs {
			return nil
		}
		return e.removeAhead(f.path)
	}
	if e.opt.AsItIs {
		return fmt.Errorf("%w: %s has what the database's file lacks, and the next start of a server brings it there", engine.ErrForeign, path)
	}
	defer heedNoFaults(heedFaults())
	b, err := f.begin()
	if err != nil {
		return err
	}
	t := newTx(context.Background(), f, b)
	defer t.putSane()
	if err = errors.Join(t.apply(r.top), t.putMark(apart.journal, r.at)); err == nil {
		by := b.ID()
		if err = t.commit(); err != nil {
			err = f.commitError(err, by)
		}
	}
	if err = f.over(b, &t.reader, nil, err); err != nil {
		return err
	}
	f.saved, f.now = r.at, r.at
	return e.removeAhead(f.path)
}

// lookForAheads says which databases have nothing but what is set apart of them. There is no journal.
func (e *Engine) lookForAheads() error {
	entries, err := os.ReadDir(e.dir)
	for _, entry := range entries {
		base, ok := strings.CutSuffix(entry.Name(), aheadSuffix)
		if !ok || !strings.HasSuffix(base, suffix) {
			continue
		}
		e.aheads.Store(true)
		if _, err := os.Lstat(filepath.Join(e.dir, base)); errors.Is(err, fs.ErrNotExist) {
			e.opt.Noticed(fmt.Sprintf(onlyApart, filepath.Join(e.dir, entry.Name())))
		}
	}
	return err
}

// readApart takes in what is set apart.
func (v *recovery) readApart() error {
	entries, err := os.ReadDir(v.eng.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		base, ok := strings.CutSuffix(entry.Name(), suffix+aheadSuffix)
		if !ok {
			continue
		}
		v.eng.aheads.Store(true)
		a, err := readAhead(filepath.Join(v.eng.dir, entry.Name()))
		if err != nil {
			return err
		}
		for _, r := range a.records {
			rec, err := parseRecord(r.body)
			if err != nil || strings.ReplaceAll(rec.name, "/", ".") != base {
				return fmt.Errorf("%w, in %s", errors.Join(errRecord, err), entry.Name())
			}
			if err := v.takeApart(a, r.at, rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeApart takes in a record that is set apart.
func (v *recovery) takeApart(a *ahead, at journal.Pos, rec record) error {
	w := whose{rec.name, rec.id}
	if v.of[w] == nil {
		r, err := v.meet(w, uint64(at), rec)
		if err != nil {
			return err
		}
		r.from, r.apart = a.journal, a.last(rec.id)
		if r.orphan && !r.ousted && r.bad == nil { // it may be put back
			r.missing, r.bad = true, engine.ErrNoDB
		}
	}
	r := v.of[w]
	if r == nil || r.orphan {
		return nil
	}
	err := r.take(uint64(at), rec)
	if uint64(at) == r.apart {
		r.journal = r.apart
	}
	return err
}
