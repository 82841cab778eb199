package repository_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/backup/repository/s3"
)

// storages are the kinds of storage, each empty.
var storages = map[string]func(testing.TB) repository.Storage{
	"folder": func(t testing.TB) repository.Storage {
		return repository.NewFolder(filepath.Join(t.TempDir(), "not", "there"))
	},
	"s3": bucket,
}

// bucket is a bucket of an object store in this process.
func bucket(t testing.TB) repository.Storage {
	t.Helper()
	server := httptest.NewServer(gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server())
	t.Cleanup(server.Close)
	s, err := s3.New(s3.Options{Endpoint: server.URL, Bucket: "backups", Prefix: "of/tests", Key: "k", Secret: "s", Region: "us-east-1", Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func eachStorage(t *testing.T, fn func(*testing.T, repository.Storage)) {
	for name, open := range storages {
		t.Run(name, func(t *testing.T) { fn(t, open(t)) })
	}
}

func put(t testing.TB, s repository.Storage, name, content string) {
	t.Helper()
	f, err := s.Stage()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), f, name); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the staged file of %s is still there: %v", name, err)
	}
}

func TestStorage(t *testing.T) {
	eachStorage(t, func(t *testing.T, s repository.Storage) {
		list := func(prefix string) (names []string) {
			t.Helper()
			err := s.List(t.Context(), prefix, func(e repository.Entry) error {
				if e.Size != 5 || e.Since.IsZero() {
					t.Errorf("%+v", e)
				}
				names = append(names, e.Name)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(names)
			return names
		}
		if got := list(""); len(got) != 0 {
			t.Errorf("an empty storage has %q", got)
		}
		put(t, s, "a", "hello")
		put(t, s, "b/c/d", "other")
		put(t, s, "b/e", "thing")
		put(t, s, "b/e", "world") // in the place of the other one
		if got := list(""); !slices.Equal(got, []string{"a", "b/c/d", "b/e"}) {
			t.Errorf("it has %q", got)
		}
		if got := list("b/"); !slices.Equal(got, []string{"b/c/d", "b/e"}) {
			t.Errorf("b/ has %q", got)
		}
		o, err := s.Fetch(t.Context(), "b/e")
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 3)
		if _, err := o.ReadAt(part, 1); err != nil || string(part) != "orl" || o.Size() != 5 {
			t.Errorf("%q of %d bytes, %v", part, o.Size(), err)
		}
		if b, err := io.ReadAll(o); err != nil || string(b) != "world" {
			t.Errorf("%q, %v", b, err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		if _, err := s.Fetch(t.Context(), "b/f"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what is not there: %v", err)
		}
		for range 2 {
			if err := s.Remove(t.Context(), "b/e"); err != nil {
				t.Error(err)
			}
		}
		if got := list("b/"); !slices.Equal(got, []string{"b/c/d"}) {
			t.Errorf("b/ has %q", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.List(ctx, "", func(repository.Entry) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled listing: %v", err)
		}
	})
}

// A repository is begun where there is nothing, and nowhere else.
func TestWhatIsNoRepository(t *testing.T) {
	eachStorage(t, func(t *testing.T, s repository.Storage) {
		if _, err := repository.Open(t.Context(), s, repository.Keys{}); !errors.Is(err, repository.ErrNone) {
			t.Errorf("open an empty one: %v", err)
		}
		put(t, s, "holiday.jpg", "a picture")
		if _, err := repository.Create(t.Context(), s, repository.Keys{}); !errors.Is(err, repository.ErrForeign) {
			t.Errorf("create in a folder of pictures: %v", err)
		}
		put(t, s, "tododb-repository.json", "{}")
		if _, err := repository.Create(t.Context(), s, repository.Keys{}); !errors.Is(err, repository.ErrForeign) {
			t.Errorf("a head of something else: %v", err)
		}
		put(t, s, "tododb-repository.json", `{"what":"tododb backups","format":3}`)
		if _, err := repository.Open(t.Context(), s, repository.Keys{}); !errors.Is(err, repository.ErrNewer) {
			t.Errorf("a newer one: %v", err)
		}
	})
}
