package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/members"
)

// errInUse says that another process has the data folder open.
var errInUse = errors.New("the data folder is in use by another tododb; stop that one first")

// folder is an open data folder: its databases and the lock that keeps others out.
type folder struct {
	uuid   string   // of the folder's server; "" if no server has had it open
	lock   *os.File // nil: the databases are elsewhere, and others may use them
	engine engine.Engine
	store  *store.Store
	// members is this process among those that share the databases; nil: it is alone.
	members *members.Members
}

// lockFolder makes sure that the folder exists and that nobody else uses it until the lock is
// closed. The kernel holds the lock, so it ends with the process, even after a crash.
func lockFolder(dir string, create bool) (_ *os.File, err error) {
	defer func() {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w; tododb doctor --data %s says what is wrong", err, dir)
		}
	}()
	if dir == "" { // else it would be the folder that the process happens to be in
		return nil, usagef("--data: this is no name of a folder: %q", dir)
	}
	if create {
		if err := makeFolder(dir); err != nil {
			return nil, fmt.Errorf("create data folder: %w", err)
		}
	} else if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("open data folder: %s is not a folder", dir)
	} else if _, err := os.Stat(filepath.Join(dir, "databases")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open data folder: %s is no data folder: it has no folder databases; --data says which one is meant", dir)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if err := lockAlone(lock); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data folder %s: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// makeFolder creates what is missing in a data folder, and syncs it to disk before anything
// is put into it. Otherwise a crash could lose the folder with the synced files in it.
func makeFolder(dir string) error {
	databases := filepath.Join(dir, "databases")
	if _, err := os.Stat(databases); err == nil {
		return nil
	}
	if err := os.MkdirAll(databases, 0o700); err != nil {
		return err
	}
	for _, changed := range []string{dir, filepath.Dir(filepath.Clean(dir))} {
		if err := durable.Names(changed); err != nil {
			return err
		}
	}
	return nil
}

// locked is a folder that we have locked and may open.
type locked struct {
	dir     string
	at      storage
	lock    *os.File
	cfg     *config.Config
	figures *metrics.Metrics // where commits are counted; nil: nowhere
	noRoom  func() bool      // store.Options.NoRoom
	log     *slog.Logger
	asItIs  bool // it is only read
}

// open opens the databases of the folder. Close closes them and releases the lock.
func (l locked) open(ctx context.Context) (*folder, error) {
	where := "open data folder"
	if l.at.elsewhere() {
		where = "open the storage"
	}
	eng, err := l.at.open(ctx, l)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", where, err), l.unlock())
	}
	options := l.limits()
	options.Logger = l.log
	if !l.at.elsewhere() { // else it is not this disk that fills
		options.NoRoom = l.noRoom
	}
	if l.figures != nil {
		options.Committed = l.figures.Commit
		if !l.at.elsewhere() {
			l.figures.Gauge("tododb_storage_bytes", "bytes that the databases have on disk", func() float64 { return float64(folderSize(l.dir)) })
		} else if shared, ok := eng.(*pg.Engine); ok {
			storageFigures(l.figures, shared)
		}
		if own, ok := eng.(*bolt.Engine); ok {
			journalFigures(l.figures, own)
		}
	}
	st, err := store.Open(ctx, eng, options)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", where, err), eng.Close(), l.unlock())
	}
	l.cfg.Watch(func() {
		if err := st.SetLimits(l.limits()); err != nil {
			l.log.Error("cannot apply the database limits; keeping the old ones", "error", err)
		}
	})
	return &folder{uuid: l.cfg.String("couchdb", "uuid"), lock: l.lock, engine: eng, store: st}, nil
}

// limits are the settings that limit databases and documents.
func (l locked) limits() store.Options {
	return store.Options{
		MaxOpen:          int(l.cfg.Int("couchdb", "max_dbs_open")),
		MaxDocumentSize:  l.cfg.Int("couchdb", "max_document_size"),
		MaxIDLength:      l.cfg.Int("couchdb", "max_document_id_length"),
		MaxPartitionSize: max(0, l.cfg.Int("couchdb", "max_partition_size")),
	}
}

// lockAlone takes the lock of a data folder. The error is errInUse if another process has it.
func lockAlone(f *os.File) error {
	err := durable.Lock(f)
	if errors.Is(err, durable.ErrLocked) {
		return errInUse
	}
	return err
}

// orAskServer adds to errInUse what else commands can do that need no folder.
func orAskServer(err error) error {
	if errors.Is(err, errInUse) {
		return fmt.Errorf("%w, or leave --data out: then the server is asked", err)
	}
	return err
}

func (l locked) unlock() error {
	if l.lock == nil {
		return nil
	}
	return l.lock.Close()
}

// Close closes the databases, then unlocks the folder.
func (f *folder) Close() error {
	err := errors.Join(f.members.Close(), f.store.Close(), f.engine.Close())
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}

// openElsewhere opens a storage that is not a folder for a command that needs no server. Servers may
// use it meanwhile.
func openElsewhere(ctx context.Context, url string, log *slog.Logger) (*folder, error) {
	name := storageSetting(url)
	cfg, err := config.Open(config.Options{Flags: map[config.Name]string{name: url}})
	if err != nil {
		return nil, err
	}
	at, err := storageOf(cfg)
	if err != nil {
		return nil, err
	}
	return locked{at: at, cfg: cfg, log: log}.open(ctx)
}

// openOffline opens a folder for a command that needs no server.
func openOffline(ctx context.Context, dir string, create bool, log *slog.Logger) (*folder, error) {
	return openFor(ctx, dir, create, false, log)
}

// openFor opens a folder; asItIs says that the command only reads.
func openFor(ctx context.Context, dir string, create, asItIs bool, log *slog.Logger) (*folder, error) {
	lock, err := lockFolder(dir, create)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Open(config.Options{Local: filepath.Join(dir, "local.ini")})
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return locked{dir: dir, lock: lock, cfg: cfg, asItIs: asItIs, log: log}.open(ctx)
}

// folderSize returns the size of the databases' files and of the journal in bytes.
func folderSize(dir string) (size int64) {
	for _, part := range []string{"databases", "journal"} {
		_ = filepath.WalkDir(filepath.Join(dir, part), func(_ string, entry fs.DirEntry, err error) error {
			if err != nil {
				return nil // it has just been deleted
			}
			if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
				size += info.Size()
			}
			return nil
		})
	}
	return size
}
