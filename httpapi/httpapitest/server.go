package httpapitest

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/snapshot"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/index/view/javascript"
	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/storetest"
	"github.com/tododb/tododb/store/updates"
)

// Server is a server and what it is made of.
type Server struct {
	*httpapi.Server
	Store   *store.Store
	Config  *config.Config
	Designs *design.Cache
	Filters *filter.Opener // as the server's own
}

// Open makes a server whose administrator is admin:secret, and closes it when the test ends.
// Functions of design documents run in the process of the test. Whatever opt leaves out of
// this is made, and the store is empty then.
func Open(t testing.TB, opt httpapi.Options) *Server {
	t.Helper()
	if opt.Store == nil {
		opt.Store = openStore(t, store.Options{Clock: opt.Now})
	}
	if opt.Config == nil {
		opt.Config = Settings(t)
	}
	indexes := index.NewManager(context.Background(), index.Options{Store: opt.Store})
	functions := script.InProcess(script.Options{Timeout: opt.Config.Duration("couchdb", "os_process_timeout"), Reductions: script.Reductions(opt.Config.String("query_server_config", "reduce_limit"))})
	if opt.Designs == nil {
		opt.Designs = design.NewCache(opt.Store, functions)
	}
	opt.Indexes, opt.Finder = indexes, mango.NewFinder(indexes, opt.Designs)
	opt.Views = view.NewOpener(indexes, view.Compilers{"javascript": javascript.Compiler(functions)})
	if opt.Snapshots == nil {
		var err error
		if opt.Snapshots, err = snapshot.OpenFiles(snapshot.FilesOptions{Dir: filepath.Join(t.TempDir(), "snapshots"), Config: opt.Config, Now: opt.Now}); err != nil {
			t.Fatal(err)
		}
	}
	if opt.Updates == nil {
		opt.Updates = updates.Open(context.WithoutCancel(t.Context()), updates.Options{Store: opt.Store})
	}
	s, err := httpapi.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := errors.Join(s.Close(ctx), indexes.Close(), opt.Updates.Close()); err != nil {
			t.Errorf("close the server: %v", err)
		}
	})
	return &Server{
		Server: s, Store: opt.Store, Config: opt.Config, Designs: opt.Designs,
		Filters: &filter.Opener{Designs: opt.Designs, Finder: opt.Finder, Views: opt.Views},
	}
}

// openStore opens an empty store. What a benchmark measures includes the disk.
func openStore(t testing.TB, opt store.Options) *store.Store {
	t.Helper()
	if _, is := t.(*testing.B); is {
		return storetest.On(t, storetest.SyncedEngine(t), opt)
	}
	return storetest.Open(t, opt)
}

// Create makes a database.
func (s *Server) Create(t testing.TB, name string) {
	t.Helper()
	if err := s.Store.Create(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// OpenDB makes a server with an empty database "db".
func OpenDB(t testing.TB) *Server {
	t.Helper()
	s := Open(t, httpapi.Options{})
	s.Create(t, "db")
	return s
}

// Settings are the settings of a server whose administrator is admin:secret. Whatever differs
// from the defaults comes in pairs, "section/name" and value.
func Settings(t testing.TB, pairs ...string) *config.Config {
	t.Helper()
	c, err := config.Open(config.Options{Flags: map[config.Name]string{{Section: "admins", Name: "admin"}: "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	Set(t, c, pairs...)
	return c
}

// Set changes settings, which come in pairs as those of Settings do.
func Set(t testing.TB, c *config.Config, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		section, name, _ := strings.Cut(pairs[i], "/")
		if err := c.Set(section, name, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
}
