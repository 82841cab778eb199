package replicate

import "time"

// State says what a job is doing, in CouchDB's words, plus Paused.
type State string

const (
	Initializing State = "initializing" // a document that has not been looked at yet
	Errored      State = "error"        // a document that could not be turned into a job yet
	Pending      State = "pending"      // waiting for its turn
	Running      State = "running"
	Crashing     State = "crashing"  // failed, and will be retried
	Completed    State = "completed" // a one-time job that is done
	Failed       State = "failed"    // can never run
	Paused       State = "paused"    // until it is resumed
)

// Event is something that happened to a job.
type Event struct {
	Time   time.Time
	Type   string // "added", "started", "stopped" or "crashed"
	Reason string // of a crash
}

// Owner is the document that a job belongs to. The zero value stands for whoever asked for it.
type Owner struct {
	DB, Doc string
}

// Progress says how far a job has come. The counters continue from one run to the next.
type Progress struct {
	RevisionsChecked, MissingFound int64
	DocsRead, DocsWritten          int64
	DocWriteFailures               int64
	BulkGetDocs, BulkGetAttempts   int64
	Pending                        int64  // changes left at the source, -1 if it did not say
	SourceSeq                      string // the source's sequence, as last reported
	Through                        string // everything up to here is at the target
	Checkpointed                   string // as the last checkpoint says
}

// Status is what is known about a job at one moment.
type Status struct {
	Node           string // the process that it is at (Options.Node)
	PID            string // of that process
	ID             string
	Owner          Owner
	User           string // name of the user who asked
	Source, Target string // without credentials
	Continuous     bool
	State          State
	Errors         int    // failures in a row
	LastError      string // of the last failure, or what is being retried; "" if all is well
	NoFilter       bool   // it crashes because the source has no such filter function
	NextTry        time.Time
	Added          time.Time
	Started        time.Time // of the last run; zero if there was none
	Changed        time.Time // when the state last changed
	Progress       Progress
	History        []Event // newest first
	Result         *Result // of a one-time job that is done
}

// progress returns how far the job has come.
func (j *Job) progress() Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Progress{
		RevisionsChecked: j.stats.MissingChecked, MissingFound: j.stats.MissingFound,
		DocsRead: j.stats.DocsRead, DocsWritten: j.stats.DocsWritten, DocWriteFailures: j.stats.DocWriteFailures,
		BulkGetDocs: j.stats.BulkGetDocs, BulkGetAttempts: j.stats.BulkGetAttempts,
		Pending: j.pending, SourceSeq: orZero(j.sourceAt), Through: orZero(j.through), Checkpointed: orZero(j.recorded),
	}
}

// retrying returns the error of what the job is retrying, "" if all is well.
func (j *Job) retrying() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.trouble == nil {
		return ""
	}
	return j.trouble.Error()
}
