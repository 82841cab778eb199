package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/logging"
)

// prepared is a server before its databases are open. The folder is locked, the settings are
// valid, the ports are open, and there is an administrator, unless the databases are elsewhere.
type prepared struct {
	lock      *os.File
	cfg       *config.Config
	logs      *logging.Log // where log goes
	log       *slog.Logger
	cert      *certificate // nil: no HTTPS
	listening *listeners
	at        storage
	first     bool   // the folder had no administrator yet
	printed   string // the administrator whose password was printed; "": none
}

// prepare does everything that can fail because of how the server is started. If it returns
// an error, it has released everything.
func prepare(ctx context.Context, opt serveOptions, out io.Writer) (_ *prepared, err error) {
	p := &prepared{}
	if p.lock, err = lockFolder(opt.data, true); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			if p.listening != nil {
				p.listening.close()
			}
			if p.logs != nil {
				err = errors.Join(err, p.logs.Close())
			}
			if p.cert != nil && p.cert.isNew { // the next start makes it, and says how to trust it
				err = errors.Join(err, p.cert.own.folder.Forget())
			}
			err = errors.Join(err, p.lock.Close())
		}
	}()
	if p.cfg, err = opt.settings(); err != nil {
		return nil, err
	}
	if p.at, err = storageOf(p.cfg); err != nil {
		return nil, err
	}
	if p.logs, p.log, err = openLog(p.cfg, opt); err != nil {
		return nil, err
	}
	if p.cert, err = newCertificate(p.cfg, filepath.Join(opt.data, "https"), p.log); err != nil {
		return nil, err
	}
	// Listen before writing anything: a port in use is the most common mistake.
	if p.listening, err = openListeners(ctx, p.cfg, p.cert); err != nil {
		return nil, err
	}
	if !p.at.elsewhere() { // else what is there says so, once it is open (join)
		p.first = len(p.cfg.Section("admins")) == 0
		if p.cfg.String("couchdb", "uuid") == "" && hasDatabases(opt.data) {
			p.log.Warn("there are databases, but the settings have no uuid: the server gets another one, with which peers compare all that they have. Was the file lost, stop the server, and put it back",
				"file", filepath.Join(opt.data, "local.ini"))
		}
		if err = identify(p.cfg); err != nil {
			return nil, err
		}
		if p.first {
			if p.printed, err = firstAdministrators(p.cfg, out); err != nil {
				return nil, err
			}
		}
	}
	if p.cert != nil && p.cert.isNew {
		err = p.cert.own.explain(out, p.listening.secure.Addr())
	}
	return p, err
}

// hasDatabases tells whether a server has been in a data folder.
func hasDatabases(dir string) bool {
	entries, _ := os.ReadDir(filepath.Join(dir, "databases"))
	return len(entries) > 0
}
