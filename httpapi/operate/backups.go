package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/backup/schedule"
)

// Keeper backs the server up by itself.
type Keeper interface {
	State() schedule.State                             // of this process
	Shown(ctx context.Context) (schedule.State, error) // of whichever makes the backups
	Start(ctx context.Context) error
	// Look opens the target to read in it.
	Look(context.Context) (*repository.Repository, error)
}

// Backups answers GET /_backups: how the server's own backups are.
func (o *Room) Backups(w http.ResponseWriter, r *http.Request) error {
	state := schedule.State{Last: []schedule.Run{}}
	if o.keeper != nil {
		var err error
		if state, err = o.keeper.Shown(r.Context()); err != nil {
			return err
		}
	}
	b, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}

// StartBackup answers POST /_backups: a backup is made now.
func (o *Room) StartBackup(w http.ResponseWriter, r *http.Request) error {
	if o.keeper == nil {
		return wire.Errorf(http.StatusNotImplemented, "not_implemented", "This server does not back itself up.")
	}
	if err := o.keeper.Start(r.Context()); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusAccepted, []byte(`{"ok":true}`))
}

// BackupTasks is the server's own backup, if one is being made, as _active_tasks shows it.
func (o *Room) BackupTasks() []map[string]any {
	if o.keeper == nil {
		return nil
	}
	state := o.keeper.State()
	run := state.Running
	if run == nil {
		return nil
	}
	task := map[string]any{
		"type": "backup_server", "node": "nonode@nohost", "pid": fmt.Sprintf("<0.%d.0>", os.Getpid()), "target": state.Target,
		"database": run.Database, "started_on": run.Began.Unix(), "updated_on": run.Updated.Unix(),
		"databases_done": run.Done, "total_databases": run.Databases, "docs": run.Documents, "bytes": run.Bytes,
	}
	if run.Databases > 0 {
		task["progress"] = 100 * run.Done / run.Databases
	}
	return []map[string]any{task}
}
