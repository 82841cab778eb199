package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/engine/pg"
)

// storage is where the databases are: in the data folder, or in PostgreSQL.
type storage struct {
	url         string // secret; "": in the folder
	listenURL   string // secret; "": url
	connections int
}

// storageFlag gives a command the flag for it.
func storageFlag(cmd *cobra.Command) {
	cmd.Flags().String("storage", "", "postgres://USER@HOST/DATABASE, or a file that has this URL with a password: the databases are there and not in the data folder [TODODB_STORAGE]")
}

// storageSetting is the setting that the flag stands for: a URL, or a file that has one.
func storageSetting(value string) config.Name {
	if strings.Contains(value, "://") || value == "" { // one that is not PostgreSQL's is no file either
		return config.Name{Section: "storage", Name: "url"}
	}
	return config.Name{Section: "storage", Name: "url_file"}
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// storageOf reads [storage]. Errors have no URL in them, because that may have a password.
func storageOf(cfg *config.Config) (storage, error) {
	s := storage{
		url: cfg.String("storage", "url"), listenURL: cfg.String("storage", "listen_url"),
		connections: int(cfg.Int("storage", "connections")),
	}
	if path := cfg.String("storage", "url_file"); path != "" && s.url == "" {
		url, err := firstLine(path)
		if err != nil {
			return s, fmt.Errorf("[storage] url_file: %w", err)
		}
		if s.url = url; url == "" {
			return s, usagef("[storage] url_file: the first line of %s is empty", path)
		}
	}
	if s.url != "" && !isPostgres(s.url) {
		return s, usagef("[storage] url does not begin with postgres://")
	}
	if s.listenURL != "" && !isPostgres(s.listenURL) {
		return s, usagef("[storage] listen_url does not begin with postgres://")
	}
	return s, nil
}

func firstLine(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	lines := bufio.NewScanner(f)
	lines.Scan()
	return strings.TrimSpace(lines.Text()), errors.Join(lines.Err(), f.Close())
}

// elsewhere tells whether the databases are not in the data folder.
func (s storage) elsewhere() bool { return s.url != "" }

// open opens the engine.
func (s storage) open(ctx context.Context, l locked) (engine.Engine, error) {
	if !s.elsewhere() {
		return bolt.Open(filepath.Join(l.dir, "databases"), bolt.Options{
			AppendOnly: store.AppendOnly, Scattered: store.Scattered, Journal: filepath.Join(l.dir, "journal"), AsItIs: l.asItIs,
			Direct:     !l.cfg.Bool("storage", "journal"),
			NearlyFull: l.noRoom,
			Noticed:    func(what string) { l.log.Warn(what) },
			Kept:       func() bool { return l.cfg.Bool("couchdb", "enable_database_recovery") },
			Damaged: func(path string, why error) {
				l.log.Error("closing a database: its file is damaged", "file", path, "error", why)
			},
		})
	}
	opt := pg.Options{
		URL: s.url, ListenURL: s.listenURL, Readers: (s.connections + 1) / 2, Writers: s.connections / 2,
		Sequence: store.SequenceSpace, Logger: l.log,
	}
	eng, err := pg.Open(ctx, opt) // it waits for a server that is about to start
	for try := 0; errors.Is(err, pg.ErrNoSchema) && try < 3; try++ {
		// Of several processes that make the tables, one does. The others find them.
		if made := pg.Init(ctx, s.url); made != nil && try == 2 {
			return nil, fmt.Errorf("%w; somebody who may make tables runs tododb pg init", made)
		}
		eng, err = pg.Open(ctx, opt)
	}
	if err != nil {
		return nil, err
	}
	return eng, nil
}

// memberName is what this process is called among those that share a storage.
func memberName(cfg *config.Config, at net.Addr) string {
	if name := cfg.String("storage", "name"); name != "" {
		return name
	}
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return at.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			host = "localhost"
		}
	}
	return net.JoinHostPort(host, port)
}
