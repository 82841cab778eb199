package replicate

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/tododb/tododb/store/members"
)

// Job is one replication. Run it once.
type Job struct {
	spec           Spec
	id, base       string
	unfiltered     string // base without the text of the filter function
	source, target Peer
	were           [2]Info        // source and target as they were last seen, or at the start
	sure           string         // the source's sequence up to which the target had everything then; "": unknown
	lease          *members.Lease // of a job that is done, until its end is written down; nil: none
	// fence, if not nil, makes sure that this process may still run the job.
	fence    func(context.Context) error
	log      *slog.Logger
	now      func() time.Time
	patient  bool
	awaited  bool              // JobOptions.Awaited
	reopened func(peer string) // if not nil, hears of a side that was opened anew
	doubt    chan struct{}     // a side may have been opened anew

	mu       sync.Mutex // guards what follows
	started  time.Time
	updated  time.Time
	stats    counters // of this session and the ones before
	pending  int64
	sourceAt string // the source's sequence, as last reported
	through  string // everything up to here is at the target
	recorded string // as the last checkpoint says
	trouble  error  // what is being retried
}

// JobOptions are what a Job needs.
type JobOptions struct {
	Server         string // the server's uuid, part of the replication's id
	Source, Target Peer
	Log            *slog.Logger     // nil: nothing is logged
	Now            func() time.Time // nil: time.Now
	// Patient lets a continuous job retry a failing peer for ever. Otherwise it gives up after
	// Spec.Retries, as a one-time job does.
	Patient bool
	// Awaited says that a request waits for the end. A storage of this server that is away ends the job then: it was
	// waited for already.
	Awaited bool
	// Reopened, if not nil, is called with the name of a side that the job finds opened anew.
	Reopened func(peer string)
}

// NewJob makes a Job. Nothing happens before Run.
func NewJob(spec Spec, opt JobOptions) *Job {
	spec.setDefaults()
	j := &Job{spec: spec, id: spec.JobID(opt.Server), base: spec.BaseID(opt.Server), unfiltered: spec.BaseID(opt.Server), source: opt.Source, target: opt.Target, log: opt.Log, now: opt.Now, patient: opt.Patient && spec.Continuous, awaited: opt.Awaited && !spec.Continuous, pending: -1, reopened: opt.Reopened, doubt: make(chan struct{}, 1)}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	if j.now == nil {
		j.now = time.Now
	}
	j.log = j.log.With("replication", j.id)
	return j
}

// Result is what a one-time replication did.
type Result struct {
	NoChanges  bool
	Filtered   bool // by document ids: CouchDB then shows the counters twice
	Unrecorded bool // there are no checkpoints: use_checkpoints is false
	checkpoint checkpoint
	session    session
}

// Run replicates until the target has everything or, if the job is continuous, until ctx
// ends. It writes a last checkpoint even after ctx has ended. If one of the sides is opened
// anew during the run, it starts again from where it is sure that nothing can be lost.
func (j *Job) Run(ctx context.Context) (Result, error) {
	since, again := "", backoff.NewExponentialBackOff()
	again.InitialInterval, again.MaxInterval = firstWait, maxWait
	for tries := 1; ; tries++ {
		began := j.now()
		result, err := j.run(ctx, since)
		if !errors.Is(err, errReopened) || ctx.Err() != nil {
			return result, err
		}
		why := err
		if j.now().Sub(began) >= healthy {
			tries = 1
			again.Reset()
		}
		// A peer that seems opened anew each time it is asked, as two servers under one name do, would have it begin for ever.
		if !j.patient && tries > j.spec.Retries {
			return result, err
		}
		timer := time.NewTimer(again.NextBackOff())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return result, ctx.Err()
		}
		if since, err = j.resume(ctx); err != nil {
			return result, errors.Join(why, err)
		}
		j.log.Info("comparing again", "since", since, "why", why)
	}
}

// resume returns the sequence up to which the job was sure that the target had everything, if
// both sides still have what they had then. Otherwise the checkpoints tell.
func (j *Job) resume(ctx context.Context) (since string, err error) {
	for i, p := range []Peer{j.source, j.target} {
		held := false
		err := j.retry(ctx, p, func() (err error) {
			held, err = p.Holds(ctx, j.were[i].UpdateSeq)
			return err
		})
		if err != nil && transient(err) {
			return "", err
		}
		if err != nil || !held {
			j.sure = ""
			break
		}
	}
	return j.sure, nil
}

// lastCheckpoint is how long a job that is told to stop tries to write a checkpoint. A server
// that stops waits for it.
const lastCheckpoint = 3 * time.Second

// run is one run. since, if not "", is where it starts, whatever the checkpoints say.
func (j *Job) run(ctx context.Context, since string) (Result, error) {
	j.mu.Lock()
	j.started = j.now()
	j.updated = j.started
	j.mu.Unlock()

	if err := j.open(ctx); err != nil {
		return Result{}, err
	}
	recorded, history, err := j.findStart(ctx)
	if err != nil {
		return Result{}, err
	}
	if since == "" {
		since = recorded
	}
	run := &session{SessionID: newSessionID(), StartTime: httpTime(j.started), StartLastSeq: seqJSON(since)}
	if len(history) > 0 {
		run.counters = history[0].counters
	}
	j.begin(since, run.counters)

	pipe := pipeline{job: j, since: since, session: run, history: history}
	err = pipe.run(ctx)
	result := Result{Filtered: j.spec.Filter.DocIDs != nil}
	if errors.Is(err, errReopened) {
		return result, err
	}
	if err != nil {
		if !pipe.dirty() { // a peer that does not answer would hold up the end, for nothing
			return result, err
		}
		// What has arrived need not be sent again. The caller's context may have ended.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCheckpoint)
		defer cancel()
		return result, errors.Join(err, pipe.checkpoint(last))
	}
	if pipe.moved() {
		if err := pipe.checkpoint(ctx); err != nil {
			return result, err
		}
		result.checkpoint, result.Unrecorded = pipe.next(), j.spec.NoCheckpoints
		result.session = result.checkpoint.History[0]
		return result, nil
	}
	result.NoChanges = true
	if len(history) > 0 {
		result.checkpoint = checkpoint{SessionID: history[0].SessionID, SourceLastSeq: seqJSON(since), Version: idVersion, History: history}
	}
	return result, nil
}

// findFilter makes the checkpoints depend on the text of the filter function too, as in
// CouchDB. If the text changes, the replication starts from the beginning, because the new
// function may want what the old one rejected.
func (j *Job) findFilter(ctx context.Context) error {
	ddoc, name, ok := strings.Cut(j.spec.Filter.Name, "/")
	if !ok { // none, or one of the built-in ones
		return nil
	}
	var code string
	err := j.retry(ctx, j.source, func() (err error) {
		code, err = j.source.FilterCode(ctx, ddoc, name)
		return err
	})
	if err == nil {
		sum := md5.Sum([]byte(j.unfiltered + code))
		j.base = hex.EncodeToString(sum[:])
	}
	return err
}

// stillThere makes sure that both sides still have what the job has brought and found. A new
// database lacks what went to the old one, and so does one that was put back to an earlier
// state, so a checkpoint in it would be false.
func (j *Job) stillThere(ctx context.Context) error {
	j.mu.Lock()
	through := j.through
	j.mu.Unlock()
	now := j.were
	if j.fence != nil {
		if err := j.fence(ctx); err != nil {
			return err
		}
	}
	for i, p := range []Peer{j.source, j.target} {
		var info Info
		err := j.retry(ctx, p, func() (err error) {
			info, err = p.Info(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if info.Opened != j.were[i].Opened || info.Steady && numberOf(info.UpdateSeq) < numberOf(j.were[i].UpdateSeq) {
			if j.reopened != nil {
				j.reopened(p.Name())
			}
			return fmt.Errorf("%s: %w", p.Name(), errReopened)
		}
		now[i] = info
	}
	j.were, j.sure = now, through
	return nil
}

// lookSoon makes a continuous job call stillThere soon, and not only at its next checkpoint.
func (j *Job) lookSoon() {
	select {
	case j.doubt <- struct{}{}:
	default:
	}
}

// numberOf is the number that a sequence begins with, which in CouchDB too counts changes.
func numberOf(seq string) uint64 {
	digits, _, _ := strings.Cut(seq, "-")
	n, _ := strconv.ParseUint(digits, 10, 64)
	return n
}

// open makes sure that both sides exist.
func (j *Job) open(ctx context.Context) error {
	err := j.retry(ctx, j.source, func() error {
		info, err := j.source.Info(ctx)
		if err == nil {
			j.were[0] = info
			j.mu.Lock()
			j.sourceAt = info.UpdateSeq
			j.mu.Unlock()
		}
		return err
	})
	if err == nil {
		err = j.findFilter(ctx)
	}
	if err != nil {
		return err
	}
	return j.retry(ctx, j.target, func() error {
		if j.spec.CreateTarget {
			if err := j.target.Create(ctx); err != nil {
				return err
			}
		}
		info, err := j.target.Info(ctx)
		j.were[1] = info
		return err
	})
}

// findStart reads the checkpoints.
func (j *Job) findStart(ctx context.Context) (since string, history []session, err error) {
	var source, target checkpoint
	err = j.retry(ctx, j.source, func() (err error) {
		source, err = readCheckpoint(ctx, j.source, j.base)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	err = j.retry(ctx, j.target, func() (err error) {
		target, err = readCheckpoint(ctx, j.target, j.base)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	since, history = commonStart(source, target)
	if j.spec.SinceSeq != "" {
		since = j.spec.SinceSeq
	}
	return since, history, nil
}

func newSessionID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func (j *Job) begin(since string, stats counters) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.through, j.recorded, j.stats, j.sure = since, since, stats, since
}

func (j *Job) troubled(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.trouble = err
}

func (j *Job) recovered() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.trouble = nil
}
