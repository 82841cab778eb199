package replications

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/expiry"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/members"
	"github.com/tododb/tododb/store/smoosh"
)

// ActiveTasks answers GET /_active_tasks: the replications, the builds of indexes, the ends of
// tombstones, the compactions, and the other tasks that are going on, at all processes that share the
// storage.
func (a *Room) ActiveTasks(w http.ResponseWriter, r *http.Request) error {
	tasks, err := a.tasks()
	if err != nil {
		return err
	}
	shown := map[string]bool{}
	for _, task := range tasks {
		shown[replicationOf(task)] = true
	}
	err = a.members.Told(r.Context(), taskNotes, func(_ members.Member, _ string, task []byte) error {
		// What others have told is some seconds old, and replications go from one to another.
		if id := replicationOf(task); id == "" || !shown[id] {
			shown[id] = true
			tasks = append(tasks, slices.Clone(task))
		}
		return nil
	})
	if err != nil {
		return err
	}
	b, err := json.Marshal(tasks)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}

// replicationOf is the id of the replication that a task is, "" if it is another one.
func replicationOf(task []byte) string {
	var t struct {
		ID string `json:"replication_id"`
	}
	_ = json.Unmarshal(task, &t) // it is our own
	return t.ID
}

// taskNotes is the kind of notes (members.Members) with the tasks of each process.
const taskNotes = "tasks"

// tell is what the other processes are told of the tasks here.
func (a *Room) tell() map[string][]byte {
	told := map[string][]byte{}
	tasks, err := a.tasks()
	if err != nil {
		return nil // they are made of numbers and names
	}
	for i, task := range tasks {
		told[fmt.Sprintf("%06d", i)] = task
	}
	return told
}

// tasks returns the tasks of this process.
func (a *Room) tasks() ([]json.RawMessage, error) {
	tasks := []json.RawMessage{}
	if a.replicator != nil {
		for _, task := range a.replicator.Tasks() {
			tasks = append(tasks, task)
		}
	}
	if a.indexes != nil {
		for _, t := range a.indexes.Tasks() {
			task, err := json.Marshal(a.here(indexerTask(t)))
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, task)
		}
	}
	if a.expiry != nil {
		for _, t := range a.expiry.Tasks() {
			task, err := json.Marshal(a.here(expiryTask(t)))
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, task)
		}
	}
	if a.smoosh != nil {
		for _, t := range a.smoosh.Tasks() {
			task, err := json.Marshal(a.here(compactionTask(t)))
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, task)
		}
	}
	for _, c := range a.store.AskedCompactions() {
		shown := compactionTask(smoosh.Task{DB: c.DB, Index: c.Index, Label: c.Index, Started: c.Started, Updated: c.Updated, Copied: c.Copied, Total: c.Total})
		delete(shown, "channel") // it waited in none
		task, err := json.Marshal(a.here(shown))
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, task)
	}
	if a.others != nil {
		for _, t := range a.others() {
			task, err := json.Marshal(a.here(t))
			if err != nil {
				return nil, err
			}
			tasks = append(tasks, task)
		}
	}
	return tasks, nil
}

// here says at which process a task is.
func (a *Room) here(task map[string]any) map[string]any {
	task["node"] = wire.NodeName(a.members.Name())
	return task
}

// indexerTask is a build as CouchDB shows it.
func indexerTask(t index.Task) map[string]any {
	task := taskOf("indexer", t)
	task["design_document"] = t.Label
	return task
}

// expiryTask is work of the same form, of a type that CouchDB does not have.
func expiryTask(t expiry.Task) map[string]any {
	task := taskOf("tombstone_expiry", index.Task{DB: t.DB, Started: t.Started, Updated: t.Updated, Done: t.Done, Total: t.Total})
	task["tombstones_ended"] = t.Ended
	return task
}

// compactionTask is a compaction as CouchDB shows it. It counts bytes where CouchDB counts changes.
func compactionTask(t smoosh.Task) map[string]any {
	work := index.Task{DB: t.DB, Started: t.Started, Updated: t.Updated, Done: uint64(t.Copied), Total: uint64(max(t.Total, t.Copied))}
	kind := "database_compaction"
	if t.Index != "" {
		kind = "view_compaction"
	}
	task := taskOf(kind, work)
	task["channel"] = t.Channel
	if t.Index != "" {
		task["design_document"] = cmp.Or(t.Label, t.Index)
	}
	return task
}

// taskOf is what work on a stretch of a feed has in common.
func taskOf(kind string, t index.Task) map[string]any {
	progress := uint64(100)
	if t.Total > 0 {
		progress = min(100*t.Done/t.Total, 100)
	}
	return map[string]any{
		"type": kind, "pid": fmt.Sprintf("<0.%d.0>", os.Getpid()), "process_status": "waiting",
		"database": t.DB, "started_on": t.Started.Unix(), "updated_on": t.Updated.Unix(),
		"changes_done": t.Done, "total_changes": t.Total, "progress": progress,
	}
}
