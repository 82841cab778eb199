package replications

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/index"
)

// ActiveTasks answers GET /_active_tasks: the replications and the builds of indexes that
// are going on.
func (a *Room) ActiveTasks(w http.ResponseWriter, r *http.Request) error {
	tasks := []json.RawMessage{}
	if a.replicator != nil {
		for _, task := range a.replicator.Tasks() {
			tasks = append(tasks, task)
		}
	}
	if a.indexes != nil {
		for _, t := range a.indexes.Tasks() {
			task, err := json.Marshal(indexerTask(t))
			if err != nil {
				return err
			}
			tasks = append(tasks, task)
		}
	}
	b, err := json.Marshal(tasks)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}

// indexerTask is a build as CouchDB shows it.
func indexerTask(t index.Task) map[string]any {
	progress := uint64(100)
	if t.Total > 0 {
		progress = min(100*t.Done/t.Total, 100)
	}
	return map[string]any{
		"type": "indexer", "node": "nonode@nohost", "pid": fmt.Sprintf("<0.%d.0>", os.Getpid()), "process_status": "waiting",
		"database": t.DB, "design_document": t.Label, "started_on": t.Started.Unix(), "updated_on": t.Updated.Unix(),
		"changes_done": t.Done, "total_changes": t.Total, "progress": progress,
	}
}
