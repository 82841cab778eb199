package documents

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// PouchDB keeps the checkpoint of a push in a local document of the server, and another one on its
// own side, each with the sessions in which they were written. Where both name one session, it
// believes its own side (pouchdb-checkpointer, compareReplicationLogs). So after an older copy of
// the server's file has been put back, what was pushed later in that session, or in one that goes
// on, would never be pushed again. Nothing that such a client sends tells that this has happened.
//
// So each epoch begins with doubt: until a session has compared, the server's document names its
// newest session by the one before it. PouchDB then starts where the server's side says, which after
// a mere restart is the same place. If there was no session before, it compares everything once. A
// session that goes on over the beginning of an epoch is told once to start again: its checkpoint
// is refused.
//
// A session that is told where to begin (the option since) records that before it does anything, and
// looks the same. So nothing is refused more than twice, or such a session would never come to work.
//
// Two tabs of a browser share a checkpoint, and each reads it once: together they look like a session that
// has compared. So a session that is known to be older than the epoch is refused whatever was read: one that the
// server's document names, or that wrote a checkpoint in an earlier epoch of this process. What replaces it is
// a session of another name.

// maxPushLogs is how many checkpoints, and sessions, are remembered. One that is forgotten is doubted again.
const maxPushLogs = 100_000

// pushLogs remembers which checkpoints of pushes are no longer doubted.
type pushLogs struct {
	mu   sync.Mutex // guards what follows
	seen *lru.Cache[pushLogID, *pushLog]
	// wrote says in which epoch a session has last written a checkpoint.
	wrote *lru.Cache[pushLogID, string]
}

// pushLogID is a hash: an id may be long, and anybody can ask for any number of them.
type pushLogID [sha256.Size]byte

// pushLog is what is known of a checkpoint in an epoch.
type pushLog struct {
	reads        int         // since the beginning, or since it was refused
	refused      int         // times
	refusedOlder int         // times, of sessions that are older than the epoch
	trusted      bool        // a session has compared
	older        []pushLogID // sessions that the server's document named when the epoch began
}

const (
	mostRefusals        = 2  // of sessions that may be of this epoch
	mostRefusalsOfOlder = 20 // of others: as many tabs as people have
	mostOlder           = 5  // PouchDB names no more sessions
)

func newPushLogs() *pushLogs {
	seen, _ := lru.New[pushLogID, *pushLog](maxPushLogs) // it fails only for a size below 1
	wrote, _ := lru.New[pushLogID, string](maxPushLogs)
	return &pushLogs{seen: seen, wrote: wrote}
}

// of is what is known of a checkpoint. The caller holds mu.
func (p *pushLogs) of(db *store.DB, id string) *pushLog {
	key := pushLogID(sha256.Sum256([]byte(db.Name() + "\x00" + db.Epoch() + "\x00" + id)))
	l, ok := p.seen.Get(key)
	if !ok {
		l = &pushLog{}
		p.seen.Add(key, l)
	}
	return l
}

func sessionKey(db *store.DB, session string) pushLogID {
	return sha256.Sum256([]byte(db.Name() + "\x00" + session))
}

// pushRecord is PouchDB's checkpoint of a push, as far as it matters here.
type pushRecord struct {
	Replicator string           `json:"replicator"`
	Version    json.RawMessage  `json:"version"`
	SessionID  string           `json:"session_id"`
	LastSeq    json.RawMessage  `json:"last_seq"`
	History    []pushRecordPart `json:"history"`
}

type pushRecordPart struct {
	LastSeq   json.RawMessage `json:"last_seq"`
	SessionID string          `json:"session_id"`
}

// readPushRecord reads a local document; ok is false for anything else. The sequences of a push are
// numbers of the client, those of a pull texts of ours.
func readPushRecord(body []byte) (rec pushRecord, ok bool) {
	if err := json.Unmarshal(body, &rec); err != nil || rec.Replicator != "pouchdb" || len(rec.History) == 0 {
		return rec, false
	}
	_, err := jsonscan.Text(rec.LastSeq)
	return rec, err != nil
}

// read is called with a local document that is about to be shown, or the error that says that there is
// none, and returns what is to be shown. If it is doubted, it is not what the revision stands for.
func (p *pushLogs) read(db *store.DB, id string, doc *store.Document, err error) (shown *store.Document, doubted bool, _ error) {
	var rec pushRecord
	ok := errors.Is(err, store.ErrMissing)
	if err == nil {
		rec, ok = readPushRecord(doc.Body)
	}
	if !ok {
		return doc, false, err
	}
	p.mu.Lock()
	l := p.of(db, id)
	l.reads++
	trusted := l.trusted
	if !trusted {
		l.older = l.older[:0]
		for _, part := range rec.History[:min(len(rec.History), mostOlder)] {
			l.older = append(l.older, sessionKey(db, part.SessionID))
		}
	}
	p.mu.Unlock()
	if err != nil || trusted {
		return doc, false, err
	}
	if len(rec.History) == 1 {
		return nil, true, store.ErrMissing
	}
	rec.History[1].LastSeq = rec.LastSeq
	rec.History, rec.SessionID = rec.History[1:], rec.History[1].SessionID
	doc.Body, err = json.Marshal(rec)
	return doc, true, err
}

// errPushAgain is the answer to a checkpoint of a session that has not compared.
var errPushAgain = wire.Errorf(http.StatusServiceUnavailable, "service_unavailable",
	"The server was started again, and its files may have been put back: start the replication again, to compare.")

// write judges a local document that is to be written. A session that begins reads its checkpoint when
// it starts, and again before it writes it; one that goes on only does the latter. The caller calls
// written once the document is there: until then the one that it replaces is still doubted.
func (p *pushLogs) write(db *store.DB, id string, doc *document.Doc) (written func(), _ error) {
	rec, ok := readPushRecord(doc.Body)
	if !ok {
		return func() {}, nil
	}
	session, epoch := sessionKey(db, rec.SessionID), db.Epoch()
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.of(db, id)
	before, known := p.wrote.Get(session)
	older := known && before != epoch || slices.Contains(l.older, session)
	switch {
	case l.trusted:
	case older && l.refusedOlder < mostRefusalsOfOlder:
		l.reads = 0
		l.refusedOlder++
		return nil, errPushAgain
	case l.reads < 2 && l.refused < mostRefusals:
		l.reads = 0
		l.refused++
		return nil, errPushAgain
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		l.trusted, l.older = true, nil
		p.wrote.Add(session, epoch)
	}, nil
}
