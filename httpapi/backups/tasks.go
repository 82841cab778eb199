package backups

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tododb/tododb/store/backup"
)

// tasks are the streams that are going on.
type tasks struct {
	mu   sync.Mutex // guards what follows
	all  map[*task]bool
	next int
}

type task struct {
	number           int
	kind, database   string
	started, updated time.Time
	progress         backup.Progress
}

// begin adds a task. update and end are for its goroutine.
func (t *tasks) begin(kind, database string) (update func(backup.Progress), end func()) {
	now := time.Now()
	one := &task{kind: kind, database: database, started: now, updated: now}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[*task]bool{}
	}
	t.next++
	one.number = t.next
	t.all[one] = true
	return func(p backup.Progress) {
			t.mu.Lock()
			defer t.mu.Unlock()
			one.progress, one.updated = p, time.Now()
		}, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			delete(t.all, one)
		}
}

// Tasks lists the backups and restores that are going on, as _active_tasks shows them.
func (b *Room) Tasks() []map[string]any {
	return append(b.streamTasks(), b.restores.task()...)
}

func (b *Room) streamTasks() []map[string]any {
	b.tasks.mu.Lock()
	defer b.tasks.mu.Unlock()
	sorted := make([]*task, 0, len(b.tasks.all))
	for one := range b.tasks.all {
		sorted = append(sorted, one)
	}
	slices.SortFunc(sorted, func(a, b *task) int { return a.number - b.number })
	list := make([]map[string]any, len(sorted))
	for i, one := range sorted {
		p := one.progress
		list[i] = map[string]any{
			"type": one.kind, "node": "nonode@nohost", "pid": fmt.Sprintf("<0.%d.%d>", os.Getpid(), one.number),
			"database": one.database, "started_on": one.started.Unix(), "updated_on": one.updated.Unix(),
			"docs": p.Documents, "bytes": p.Bytes, "changes_done": p.Seq, "total_changes": p.Of,
		}
		if p.Of > 0 {
			list[i]["progress"] = min(100*p.Seq/p.Of, 100)
		}
	}
	return list
}
