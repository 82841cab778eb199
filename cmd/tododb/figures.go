package main

import (
	"math"

	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/httpapi/snapshot"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store/disk"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/expiry"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/script/worker"
	"github.com/tododb/tododb/store/smoosh"
)

// replicationFigures adds how many replications there are in each state, and what the
// current ones have done.
//
// They are of this process: each has figures of its own, and has them also when the storage is away.
func replicationFigures(figures *metrics.Metrics, manager *replicate.Manager) {
	count := func(is func(*replicate.Status) bool) func() float64 {
		return func() float64 {
			n := 0
			jobs := manager.JobsHere()
			for i := range jobs {
				if is(&jobs[i]) {
					n++
				}
			}
			return float64(n)
		}
	}
	state := func(want replicate.State) func() float64 {
		return count(func(s *replicate.Status) bool { return s.State == want })
	}
	const jobs = "couchdb_couch_replicator_jobs_"
	figures.Gauge(jobs+"total", "total number of replicator scheduler jobs", count(func(*replicate.Status) bool { return true }))
	figures.Gauge(jobs+"running", "replicator scheduler running jobs", state(replicate.Running))
	figures.Gauge(jobs+"pending", "replicator scheduler pending jobs", state(replicate.Pending))
	figures.Gauge(jobs+"crashed", "replicator scheduler crashed jobs", state(replicate.Crashing))
	sum := func(of func(*replicate.Progress) int64) func() float64 {
		return func() (n float64) {
			jobs := manager.JobsHere()
			for i := range jobs {
				n += float64(of(&jobs[i].Progress))
			}
			return n
		}
	}
	figures.Gauge("tododb_replication_docs_written", "documents that the replications known now have written", sum(func(p *replicate.Progress) int64 { return p.DocsWritten }))
	figures.Gauge("tododb_replication_doc_write_failures", "documents that their targets have refused", sum(func(p *replicate.Progress) int64 { return p.DocWriteFailures }))
	figures.Gauge("tododb_replication_changes_pending", "changes that running replications have still to look at, as far as their sources say", sum(func(p *replicate.Progress) int64 { return max(p.Pending, 0) }))
}

// indexFigures adds how many indexes are being built, and how much is left to do.
func indexFigures(figures *metrics.Metrics, indexes *index.Manager) {
	figures.Gauge("tododb_indexes_building", "indexes that are being brought up to date", func() float64 { return float64(len(indexes.Tasks())) })
	figures.Gauge("tododb_index_changes_pending", "changes that indexes being built have still to read", func() (n float64) {
		for _, task := range indexes.Tasks() {
			if task.Total > task.Done {
				n += float64(task.Total - task.Done)
			}
		}
		return n
	})
}

// snapshotFigures adds what snapshots take on disk.
func snapshotFigures(figures *metrics.Metrics, snapshots *snapshot.Files) {
	figures.Gauge("tododb_snapshot_bytes", "bytes on disk that _snapshot is answered from", func() float64 { return float64(snapshots.Size()) })
	figures.Gauge("tododb_snapshot_files", "files that _snapshot is answered from", func() float64 { return float64(snapshots.Len()) })
}

// expiryFigures adds what became of tombstones that were to end.
func expiryFigures(figures *metrics.Metrics, ends *expiry.Keeper) {
	figures.Counter("tododb_tombstones_ended_total", "tombstones that have ended", func() float64 { return float64(ends.Figures().Ended) })
	figures.Counter("tododb_checkpoints_forgotten_total", "checkpoints removed of peers that were away when tombstones ended", func() float64 { return float64(ends.Figures().Forgotten) })
	figures.Counter("tododb_tombstone_expiry_failures_total", "databases whose tombstones could not end", func() float64 { return float64(ends.Figures().Failed) })
}

// upkeepFigures adds what is compacted, and how full the disk is.
func upkeepFigures(figures *metrics.Metrics, s *smoosh.Smoosh, guard *disk.Guard) {
	of := func(value func(smoosh.Figures) int64) func() float64 {
		return func() float64 { return float64(value(s.Figures())) }
	}
	figures.Gauge("tododb_smoosh_waiting", "files that wait to be compacted by themselves", of(func(f smoosh.Figures) int64 { return int64(f.Waiting) }))
	figures.Gauge("tododb_smoosh_running", "compactions by themselves that are going on", of(func(f smoosh.Figures) int64 { return int64(f.Running) }))
	figures.Counter("tododb_smoosh_compactions_total", "compactions that have begun by themselves and ended", of(func(f smoosh.Figures) int64 { return f.Compactions }))
	figures.Counter("tododb_smoosh_failures_total", "those that failed; the log says why", of(func(f smoosh.Figures) int64 { return f.Failed }))
	figures.Counter("tododb_smoosh_postponed_total", "compactions that did not begin because the disk had no room for the copy", of(func(f smoosh.Figures) int64 { return f.Postponed }))
	figures.Counter("tododb_smoosh_freed_bytes_total", "bytes that they gave back", of(func(f smoosh.Figures) int64 { return f.Freed }))
	figures.Counter("tododb_smoosh_counts_total", "files read whole to find out how much of them is needed", of(func(f smoosh.Figures) int64 { return f.Counted }))
	space := func(value func(disk.Space) float64) func() float64 {
		return func() float64 {
			s, err := guard.Space()
			if err != nil {
				return math.NaN()
			}
			return value(s)
		}
	}
	figures.Gauge("tododb_disk_free_bytes", "bytes that the disk of the data folder has left", space(func(s disk.Space) float64 { return float64(s.Free) }))
	figures.Gauge("tododb_disk_used_percent", "share of that disk in use, which [disk_monitor] compares with its thresholds", space(disk.Space.Percent))
}

// functionFigures adds what the functions of design documents are doing.
func functionFigures(figures *metrics.Metrics, functions *worker.Pool) {
	figures.Gauge("tododb_function_processes", "processes of functions of design documents", func() float64 { return float64(functions.Figures().Processes) })
	figures.Gauge("tododb_function_processes_busy", "processes that are running a function", func() float64 { return float64(functions.Figures().Busy) })
	figures.Gauge("tododb_function_memory_bytes", "memory of the processes that run functions, in bytes", func() float64 { return float64(functions.Figures().Memory) })
	figures.Counter("tododb_function_starts_total", "processes of functions that were started", func() float64 { return float64(functions.Figures().Started) })
	figures.Counter("tododb_function_deaths_total", "processes of functions that ended by themselves, whose calls were made again", func() float64 { return float64(functions.Figures().Died) })
	for name, help := range worker.Calls {
		figures.Counter("tododb_function_calls_"+name+"_total", help, func() float64 { return float64(functions.Figures().Calls[name]) })
	}
	for name, help := range worker.Kills {
		figures.Counter("tododb_function_kills_"+name+"_total", help, func() float64 { return float64(functions.Figures().Kills[name]) })
	}
}

// journalFigures adds how far the journal is ahead of the databases' files, and what these gather.
func journalFigures(figures *metrics.Metrics, e *bolt.Engine) {
	figures.Gauge("tododb_journal_bytes", "bytes of the journal on disk", func() float64 { return float64(e.Figures().Journal) })
	figures.Gauge("tododb_journal_unflushed_bytes", "memory for what is in the journal and in no database's file yet, in bytes", func() float64 { return float64(e.Figures().Unflushed) })
	figures.Gauge("tododb_journal_databases", "databases of which the journal has what their files lack", func() float64 { return float64(e.Figures().Databases) })
	figures.Counter("tododb_journal_flushes_total", "times that a database's file was given what the journal had of it", func() float64 { return float64(e.Figures().Flushes) })
	figures.Gauge("tododb_storage_gathered_bytes", "memory for records that large databases gather before they bring them to their places, in bytes", func() float64 { return float64(e.Figures().Gathered) })
}

// storageFigures adds how this process fares with a storage that processes share.
func storageFigures(figures *metrics.Metrics, e *pg.Engine) {
	for _, f := range []struct {
		name, help string
		counts     bool
		value      func(pg.Figures) float64
	}{
		{"tododb_storage_round_trips_total", "requests to PostgreSQL", true, func(f pg.Figures) float64 { return float64(f.RoundTrips) }},
		{"tododb_storage_round_trip_seconds_total", "how long they took together", true, func(f pg.Figures) float64 { return f.RoundTripsTook.Seconds() }},
		{"tododb_storage_locks_total", "locks of a database that writers got", true, func(f pg.Figures) float64 { return float64(f.Locks) }},
		{"tododb_storage_lock_seconds_total", "how long they took together, the wait for other processes included", true, func(f pg.Figures) float64 { return f.LocksTook.Seconds() }},
		{"tododb_storage_retries_total", "transactions tried again because of a passing failure", true, func(f pg.Figures) float64 { return float64(f.Retries) }},
		{"tododb_storage_unknown_commits_total", "commits whose outcome had to be looked up", true, func(f pg.Figures) float64 { return float64(f.Unknown) }},
		{"tododb_storage_connections", "connections to PostgreSQL", false, func(f pg.Figures) float64 { return float64(f.Connections) }},
		{"tododb_storage_connections_busy", "connections to PostgreSQL in use", false, func(f pg.Figures) float64 { return float64(f.InUse) }},
		{"tododb_storage_connections_limit", "connections to PostgreSQL at the most", false, func(f pg.Figures) float64 { return float64(f.MaxConnections) }},
		{"tododb_storage_connection_waits_total", "how often a connection had to be waited for", true, func(f pg.Figures) float64 { return float64(f.Waits) }},
		{"tododb_storage_connection_wait_seconds_total", "how long these waits took together", true, func(f pg.Figures) float64 { return f.Waited.Seconds() }},
		{"tododb_storage_listens", "1 if notifications of other processes are heard, 0 if they are asked for", false, func(f pg.Figures) float64 {
			if f.Listens {
				return 1
			}
			return 0
		}},
		{"tododb_storage_listener_lag_seconds", "how long this process's last notification took to come back", false, func(f pg.Figures) float64 { return f.ListenerLag.Seconds() }},
	} {
		add := figures.Gauge
		if f.counts {
			add = figures.Counter
		}
		add(f.name, f.help, func() float64 { return f.value(e.Figures()) })
	}
}
