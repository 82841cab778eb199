package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// idVersion is the version of replication ids, which CouchDB writes into checkpoints.
const idVersion = 4

// maxHistory is how many sessions a checkpoint remembers.
const maxHistory = 50

// checkpoint is the local document that each side keeps about a replication.
type checkpoint struct {
	SessionID     string    `json:"session_id"`
	SourceLastSeq seqJSON   `json:"source_last_seq"`
	Version       int       `json:"replication_id_version"`
	History       []session `json:"history"`
}

// session is what one job did, as the checkpoint records it. The counters continue from one
// session to the next.
type session struct {
	SessionID    string  `json:"session_id"`
	StartTime    string  `json:"start_time"`
	EndTime      string  `json:"end_time"`
	StartLastSeq seqJSON `json:"start_last_seq"`
	EndLastSeq   seqJSON `json:"end_last_seq"`
	RecordedSeq  seqJSON `json:"recorded_seq"`
	counters
}

// counters say what a replication has done.
type counters struct {
	MissingChecked   int64 `json:"missing_checked"`
	MissingFound     int64 `json:"missing_found"`
	DocsRead         int64 `json:"docs_read"`
	DocsWritten      int64 `json:"docs_written"`
	DocWriteFailures int64 `json:"doc_write_failures"`
	BulkGetDocs      int64 `json:"bulk_get_docs"`
	BulkGetAttempts  int64 `json:"bulk_get_attempts"`
}

func (c *counters) add(o counters) {
	c.MissingChecked += o.MissingChecked
	c.MissingFound += o.MissingFound
	c.DocsRead += o.DocsRead
	c.DocsWritten += o.DocsWritten
	c.DocWriteFailures += o.DocWriteFailures
	c.BulkGetDocs += o.BulkGetDocs
	c.BulkGetAttempts += o.BulkGetAttempts
}

// seqJSON is a sequence in a checkpoint. It is text, though older peers write numbers.
type seqJSON string

func (s *seqJSON) UnmarshalJSON(b []byte) error {
	*s = seqJSON(seqText(b))
	return nil
}

func (s seqJSON) MarshalJSON() ([]byte, error) {
	if s == "" {
		s = "0"
	}
	if n, err := strconv.ParseInt(string(s), 10, 64); err == nil && strconv.FormatInt(n, 10) == string(s) {
		return []byte(s), nil // it was a number
	}
	return Marshal(string(s)), nil
}

func readCheckpoint(ctx context.Context, p Peer, id string) (checkpoint, error) {
	b, err := p.GetLocal(ctx, id)
	if errors.Is(err, errMissing) {
		return checkpoint{}, nil
	}
	if err != nil {
		return checkpoint{}, err
	}
	var c checkpoint
	if err := json.Unmarshal(b, &c); err != nil {
		return checkpoint{}, nil // not one of ours: it will be overwritten
	}
	return c, nil
}

// commonStart returns the sequence up to which both sides know that everything has been
// replicated. It is the sequence of the newest session that both remember. Sessions are
// compared, not sequences, because a side that was rolled back remembers only what it still
// has. If the two remember a session differently, the earlier state counts: one side was
// rolled back, or missed the last checkpoint. A session checks revisions between any two
// checkpoints, so their count tells which state is earlier.
func commonStart(source, target checkpoint) (since string, history []session) {
	for i, s := range source.History {
		for _, t := range target.History {
			if s.SessionID == "" || s.SessionID != t.SessionID {
				continue
			}
			if t.MissingChecked < s.MissingChecked {
				s = t
			}
			return string(s.RecordedSeq), append([]session{s}, source.History[i+1:]...)
		}
	}
	return "", nil
}

// next returns the checkpoint as it would be written now.
func (p *pipeline) next() checkpoint {
	j := p.job
	j.mu.Lock()
	defer j.mu.Unlock()
	now := *p.session
	now.EndTime = httpTime(j.now())
	now.EndLastSeq, now.RecordedSeq = seqJSON(j.through), seqJSON(j.through)
	history := append([]session{now}, p.history...)
	if len(history) > maxHistory {
		history = history[:maxHistory]
	}
	return checkpoint{SessionID: now.SessionID, SourceLastSeq: seqJSON(j.through), Version: idVersion, History: history}
}

// checkpoint records on both sides how far the job has come, if it has come further.
func (p *pipeline) checkpoint(ctx context.Context) error {
	if err := p.job.stillThere(ctx); err != nil {
		return err
	}
	if !p.dirty() || p.job.spec.NoCheckpoints {
		p.savedAt = p.job.now()
		return nil
	}
	c := p.next()
	if err := p.job.record(ctx, c); err != nil {
		return err
	}
	if err := p.job.stillThere(ctx); err != nil {
		if errors.Is(err, errReopened) { // since the last look, so another database may have it, and lack what it says
			err = errors.Join(err, p.job.record(ctx, noCheckpoint()))
		}
		return err
	}
	p.saved, p.savedAt = string(c.SourceLastSeq), p.job.now()
	p.job.mu.Lock()
	p.job.recorded = p.saved
	p.job.mu.Unlock()
	return nil
}

// noCheckpoint is one that says nothing, and takes the place of another.
func noCheckpoint() checkpoint {
	return checkpoint{SessionID: newSessionID(), SourceLastSeq: seqJSON("0"), Version: idVersion, History: []session{}}
}

// record writes a checkpoint to both sides. If a side forbids it, it gets none. The next job
// then starts from the beginning, which takes longer but loses nothing.
func (j *Job) record(ctx context.Context, c checkpoint) error {
	body := Marshal(c)
	for _, p := range []Peer{j.target, j.source} {
		again := false
		err := j.retry(ctx, p, func() error {
			if again { // while it did not answer it may have been put back
				if err := j.stillThere(ctx); err != nil {
					return stop{err}
				}
			}
			again = true
			return p.PutLocal(ctx, j.base, body)
		})
		if errors.Is(err, ErrForbidden) || errors.Is(err, ErrUnauthorized) {
			j.log.Warn("cannot write a checkpoint", "peer", p.Name(), "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// httpTime formats a time as CouchDB does in checkpoints.
func httpTime(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
