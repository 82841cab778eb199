package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/backup/schedule"
)

// newBackupKeeper makes what backs the server up, as [backup] says.
func newBackupKeeper(cfg *config.Config, data string, spool *intake.Spool, f *folder, log *slog.Logger) *schedule.Keeper {
	k := schedule.New(schedule.Options{
		Source: backup.Local{Store: f.store, Temp: func() (backup.TempFile, error) { return spool.Create() }}, Server: func() string { return cfg.String("couchdb", "uuid") }, Version: version, Log: log, Members: f.members,
		Settings: func() map[string]map[string]string { return keptSettings(cfg) },
		Watch:    func() repository.Watch { return watchStore(f.store) },
		Setup:    func() schedule.Setup { return backupSetup(cfg, filepath.Join(data, "spool")) },
	})
	cfg.Watch(k.Changed)
	return k
}

// keptSettings are what the server's own file sets.
func keptSettings(cfg *config.Config) map[string]map[string]string {
	all := map[string]map[string]string{}
	for n, value := range cfg.Kept() {
		if all[n.Section] == nil {
			all[n.Section] = map[string]string{}
		}
		all[n.Section][n.Name] = value
	}
	delete(all["couchdb"], "uuid") // the backup has it already
	return all
}

// backupSetup reads the settings of backups.
func backupSetup(cfg *config.Config, scratch string) (s schedule.Setup) {
	text := func(name string) string { return cfg.String("backup", name) }
	number := func(name string) int { return int(cfg.Int("backup", name)) }
	s.Target, s.Text = text("target"), text("schedule")
	if s.Target == "" {
		return s
	}
	if s.Plan, s.Err = schedule.Parse(s.Text); s.Err != nil {
		return s
	}
	s.Keep = repository.Keep{
		Last: number("keep_last"), Hourly: number("keep_hourly"), Daily: number("keep_daily"),
		Weekly: number("keep_weekly"), Monthly: number("keep_monthly"), Yearly: number("keep_yearly"),
	}
	if within := text("keep_within"); within != "" {
		if s.Keep.Within, s.Err = repository.ParseWithin(within); s.Err != nil {
			return s
		}
	}
	f := targetFlags{
		recipients: cfg.List("backup", "recipients"), identityFile: text("identity_file"),
		s3Region: text("s3_region"), s3KeyFile: text("s3_key_file"),
	}
	for _, r := range f.recipients {
		if _, err := age.ParseRecipients(strings.NewReader(r)); err != nil {
			s.Err = fmt.Errorf("recipients: %w", err)
			return s
		}
	}
	if _, s.Err = f.storage(s.Target, scratch); s.Err != nil {
		return s
	}
	opened := func(open func(context.Context, repository.Storage, repository.Keys) (*repository.Repository, error)) func(context.Context) (*repository.Repository, error) {
		return func(ctx context.Context) (*repository.Repository, error) {
			keys, err := f.keys()
			if err != nil {
				return nil, err
			}
			storage, err := f.storage(s.Target, scratch)
			if err != nil {
				return nil, err
			}
			return open(ctx, storage, keys)
		}
	}
	s.Open, s.Look = opened(repository.Create), opened(repository.Open)
	return s
}

// storeWatch tells which databases of a store have changed.
type storeWatch struct {
	events *store.Events
	at     uint64
}

func watchStore(st *store.Store) *storeWatch {
	w := &storeWatch{events: st.Events()}
	_, w.at, _ = w.events.Since(^uint64(0))
	return w
}

// Next waits until databases have changed, and names them.
func (w *storeWatch) Next(ctx context.Context, limit time.Duration) (names []string, err error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		events, last, wait := w.events.Since(w.at)
		w.at = last
		for _, e := range events {
			names = append(names, e.DB)
		}
		if len(names) > 0 {
			return names, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			return nil, nil
		case <-wait:
		}
	}
}

// backupFigures adds how backups are going.
func backupFigures(figures *metrics.Metrics, k *schedule.Keeper) {
	figures.Counter("tododb_backups_made_total", "backups that the server has made of itself", func() float64 { return float64(k.State().Made) })
	figures.Counter("tododb_backups_failed_total", "backups that it could not make, or only of some databases", func() float64 { return float64(k.State().Failed) })
	figures.Counter("tododb_backup_stored_bytes_total", "bytes that its backups have brought to their target", func() float64 { return float64(k.State().Stored) })
	figures.Gauge("tododb_backup_running", "1 while a backup is being made", func() float64 {
		if k.State().Running != nil {
			return 1
		}
		return 0
	})
	figures.Gauge("tododb_backup_last_seconds", "when the newest backup of this run was made, in seconds since 1970; 0: none was", func() float64 {
		for _, run := range k.State().Last {
			if run.ID != "" {
				return float64(run.Ended.Unix())
			}
		}
		return 0
	})
}
