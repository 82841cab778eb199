package index

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tododb/tododb/store"
)

// What a first build has sorted is kept if its process ends or is killed in the middle. The next build of the
// same index goes on behind the last whole run. Beside the file of runs stands a list of them:
//
//	rows-ID       the runs, one after the other
//	rows-ID.made  lines, each with the checksum of what follows in it: a runsHead, then a runMade for each run
//
// A line is written when its run is. Neither file is synced. What a power cut took from the list was never
// there, and what it took from a run is a block with a wrong sum, so that the build starts anew.
//
// Going on is right because the feed of a database up to a sequence only loses changes: a document that
// moves comes behind that sequence, where the index follows it later. What leaves no change behind, a purge
// or the end of a tombstone, makes the runs useless, and so does a history that is another one.

// madeSuffix ends the name of a list of runs.
const madeSuffix = ".made"

// keepRuns is how long a process keeps what another one has left for a build that nobody asks for.
const keepRuns = time.Hour

// runsFormat is in each list: runs of another format are not gone on with.
const runsFormat = 1

// runsHead says what a build makes. A build that goes on has the same one.
type runsHead struct {
	Format                  int
	DB, Instance, Signature string
	Records                 byte // their version
	To, PurgeSeq            uint64
	Dead                    uint64 // the newest tombstone that had ended
}

// runMade is a run: where it ends in the file, and the state of an index that has all up to it.
type runMade struct {
	End   int64
	State []byte
}

// name is the name of the file.
func (h *runsHead) name() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", h.DB, h.Instance, h.Signature))
	return runsPrefix + hex.EncodeToString(sum[:16])
}

// madeLine is a line of a list.
func madeLine(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(text, castagnoli), text), err
}

// parseLine reads the first line of a list. What is no whole line, with the right sum, is not ok.
func parseLine(list []byte, v any) (rest []byte, ok bool) {
	line, rest, ok := bytes.Cut(list, []byte("\n"))
	if !ok || len(line) < 10 {
		return nil, false
	}
	ok = string(line[:9]) == fmt.Sprintf("%08x ", crc32.Checksum(line[9:], castagnoli)) && json.Unmarshal(line[9:], v) == nil
	return rest, ok
}

// create makes the files of runs that are kept.
func (r *runs) create() (err error) {
	path := filepath.Join(r.dir, r.head.name())
	r.kept = true
	if r.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return err
	}
	if r.list, err = os.OpenFile(path+madeSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return err
	}
	line, err := madeLine(r.head)
	if err == nil {
		_, err = r.list.Write(line)
	}
	return err
}

// made notes a run that is whole.
func (r *runs) made(end int64, st *state) error {
	err := r.w.w.Flush()
	if err != nil {
		return err
	}
	line, err := madeLine(runMade{End: end, State: st.appendTo(nil)})
	if err == nil {
		_, err = r.list.Write(line)
	}
	return err
}

// goOn opens what a build of the same index has left, and returns the state up to its last whole run, if there
// is one, and the head that it had. If not, nothing is open, and nothing is left of it.
func (r *runs) goOn(views int) (head runsHead, st state, err error) {
	path := filepath.Join(r.dir, r.head.name())
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close(false))
			r.file, r.list, r.w, r.ends, r.kept = nil, nil, nil, nil, false
		}
	}()
	r.kept = true
	if r.list, err = os.OpenFile(path+madeSuffix, os.O_RDWR, 0); err != nil {
		return head, st, err
	}
	if r.file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return head, st, err
	}
	info, err := r.file.Stat()
	if err != nil {
		return head, st, err
	}
	list, err := io.ReadAll(r.list)
	if err != nil {
		return head, st, err
	}
	rest, ok := parseLine(list, &head)
	if want := *r.head; !ok || head.Format != want.Format || head.DB != want.DB || head.Instance != want.Instance || head.Signature != want.Signature || head.Records != want.Records {
		return head, st, errors.New("these runs are not of this index")
	}
	whole, end := len(list)-len(rest), int64(0)
	for {
		var m runMade
		more, ok := parseLine(rest, &m)
		if !ok || m.End < end || m.End > info.Size() {
			break
		}
		s, err := parseState(m.State, views)
		if err != nil || s.seq > head.To || s.signature != head.Signature {
			break
		}
		r.ends, st, end, rest = append(r.ends, m.End), s, m.End, more
		whole = len(list) - len(rest)
	}
	if len(r.ends) == 0 {
		return head, st, errors.New("no run is whole")
	}
	if err := errors.Join(r.file.Truncate(end), r.list.Truncate(int64(whole))); err != nil {
		return head, st, err
	}
	if _, err = r.file.Seek(end, io.SeekStart); err == nil {
		_, err = r.list.Seek(int64(whole), io.SeekStart)
	}
	r.w = newRunWriter(r.file)
	r.w.at = end
	return head, st, err
}

// sortedSoFar is where a first build of the index up to a sequence begins: with no runs, or with those that
// a build has left which was cut short, and then it has its end. st is the state up to there.
func (ix *Index) sortedSoFar(ctx context.Context, to uint64, info *store.Info) (sorted *runs, st state, err error) {
	st = state{signature: ix.id.signature, views: make([]viewState, len(ix.def.Views))}
	head := &runsHead{
		Format: runsFormat, DB: ix.id.db, Instance: ix.id.instance, Signature: ix.id.signature, Records: stateVersion,
		To: to, PurgeSeq: info.PurgeSeq, Dead: info.Dead.Newest,
	}
	sorted = &runs{dir: ix.m.opt.Scratch, head: head}
	if sorted.dir == "" {
		sorted.head = nil
		return sorted, st, nil
	}
	if !ix.m.takeLeft(head.name()) {
		return sorted, st, nil
	}
	before, reached, err := sorted.goOn(len(ix.def.Views))
	if err != nil {
		ix.m.opt.Log.Info("an index is built from the start", "db", ix.id.db, "index", ix.def.Label, "why", err)
		return sorted, st, nil
	}
	why := ""
	if before.PurgeSeq != head.PurgeSeq || before.Dead != head.Dead {
		why = "documents were purged, or tombstones ended"
	} else if why, err = foreign(ctx, ix.db, &reached); err != nil {
		return sorted, st, err
	}
	if why != "" {
		ix.m.opt.Log.Info("an index is built from the start", "db", ix.id.db, "index", ix.def.Label, "why", why)
		err := sorted.close(false)
		return &runs{dir: sorted.dir, head: head}, st, err
	}
	ix.m.opt.Log.Info("the building of an index goes on", "db", ix.id.db, "index", ix.def.Label, "from", reached.seq, "to", before.To)
	sorted.head = &before
	return sorted, reached, nil
}

// leftRuns makes a folder for runs, and returns the names of files there with which a build may go on. All
// others are removed.
func leftRuns(dir string) (left map[string]bool, err error) {
	left = map[string]bool{}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return left, err
	}
	entries, err := os.ReadDir(dir)
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = strings.HasPrefix(e.Name(), runsPrefix)
	}
	for name, runs := range there {
		switch {
		case !runs, strings.HasSuffix(name, madeSuffix) && there[strings.TrimSuffix(name, madeSuffix)]:
		case there[name+madeSuffix]:
			left[name] = true
		default:
			err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
		}
	}
	return left, err
}

// takeLeft reports whether an earlier process has left runs of this name. Whoever asks has them.
func (m *Manager) takeLeft(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	there := m.left[name]
	delete(m.left, name)
	return there
}

// forgetLeft removes what nobody has gone on with.
func (m *Manager) forgetLeft() {
	m.mu.Lock()
	left := m.left
	m.left = nil
	m.mu.Unlock()
	for name := range left {
		r := runs{dir: m.opt.Scratch}
		if err := r.remove(filepath.Join(r.dir, name)); err != nil {
			m.opt.Log.Error("cannot remove sorted rows", "file", name, "error", err)
		}
	}
}
