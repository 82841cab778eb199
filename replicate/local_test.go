package replicate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tododb/tododb/replicate"
)

// A side that is one database is not the one that was made later under its name.
func TestLaterDatabaseOfTheName(t *testing.T) {
	s := startServer(t)
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Store: s.store, Open: replicate.Everything(s.store)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s.must(201, "PUT", "/from", "")
	s.must(201, "PUT", "/from/x", "{}")
	run := func(instance string) error {
		one := spec(t, "from", "to", `,"retries_per_request":1`)
		one.Target.Instance = instance
		_, err := m.Run(t.Context(), one)
		return err
	}
	var instances []string
	for range 2 {
		s.must(201, "PUT", "/to", "")
		db, err := replicate.Everything(s.store)(t.Context(), "to", replicate.User{})
		if err != nil {
			t.Fatal(err)
		}
		instances = append(instances, db.Instance())
		db.Release()
		if err := run(instances[0]); (err == nil) != (len(instances) == 1) || err != nil && !errors.Is(err, replicate.ErrNoDB) {
			t.Errorf("into database %d of the name: %v", len(instances), err)
		}
		if len(instances) == 1 {
			s.must(200, "DELETE", "/to", "")
		}
	}
	if info := s.must(200, "GET", "/to", ""); !strings.Contains(info, `"doc_count":0`) {
		t.Errorf("the later one has something: %s", info)
	}
	if err := run(instances[1]); err != nil {
		t.Error(err)
	}
}
