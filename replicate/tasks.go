package replicate

import (
	"fmt"
	"os"
	"sort"
)

// Tasks returns the running jobs as _active_tasks shows them, in the order of their ids.
func (m *Manager) Tasks() [][]byte {
	m.mu.Lock()
	type under struct {
		req *Request
		job *Job
	}
	var all []under
	for _, t := range m.tasks {
		if t.job != nil && !t.claims {
			all = append(all, under{&t.req, t.job})
		}
	}
	m.mu.Unlock()
	sort.Slice(all, func(i, k int) bool { return all[i].job.id < all[k].job.id })
	out := make([][]byte, 0, len(all))
	for _, u := range all {
		out = append(out, u.job.task(u.req, m.opt.Node))
	}
	return out
}

// task returns a job as _active_tasks shows it, without credentials.
func (j *Job) task(req *Request, node string) []byte {
	p := j.progress()
	task := map[string]any{
		"type": "replication", "node": node, "pid": pid(), "user": orNull(req.User.Name),
		"replication_id": j.id, "doc_id": orNull(req.Owner.Doc), "database": orNull(req.Owner.DB),
		"source": j.source.Name(), "target": j.target.Name(), "continuous": j.spec.Continuous,
		"checkpoint_interval": j.spec.CheckpointInterval.Milliseconds(), "process_status": "waiting",
	}
	p.fill(task)
	j.mu.Lock()
	task["started_on"], task["updated_on"] = j.started.Unix(), j.updated.Unix()
	j.mu.Unlock()
	if trouble := j.retrying(); trouble != "" {
		task["error"] = trouble
	}
	return Marshal(task)
}

// fill adds the counters to a JSON object.
func (p *Progress) fill(object map[string]any) {
	object["docs_read"], object["docs_written"], object["doc_write_failures"] = p.DocsRead, p.DocsWritten, p.DocWriteFailures
	object["bulk_get_docs"], object["bulk_get_attempts"] = p.BulkGetDocs, p.BulkGetAttempts
	object["revisions_checked"], object["missing_revisions_found"] = p.RevisionsChecked, p.MissingFound
	object["source_seq"], object["through_seq"], object["checkpointed_source_seq"] = orZero(p.SourceSeq), orZero(p.Through), orZero(p.Checkpointed)
	object["changes_pending"] = nil
	if p.Pending >= 0 {
		object["changes_pending"] = p.Pending
	}
}

// singleNode is the server's node name, as CouchDB has it for a single node.
const singleNode = "nonode@nohost"

// pid returns the id of this process, written like one of CouchDB's.
func pid() string { return fmt.Sprintf("<0.%d.0>", os.Getpid()) }

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func orZero(seq string) string {
	if seq == "" {
		return "0"
	}
	return seq
}
