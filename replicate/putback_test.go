package replicate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/replicate"
)

// When a database is put back, continuous replications notice by the feed that ends, and do not wait
// for the next checkpoint: one that reads from it, and by this also one that only writes to it.
func TestDatabasePutBack(t *testing.T) {
	t.Parallel()
	ours, other := startServer(t), startServer(t)
	for _, s := range []*server{ours, other} {
		s.must(201, "PUT", "/db", "")
	}
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Settings: replicate.Settings{StartupJitter: -1}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, ends := range [][2]string{{ours.url("db"), other.url("db")}, {other.url("db"), ours.url("db")}} {
		never := `,"continuous":true,"checkpoint_interval":3600000`
		if _, err := m.Add(replicate.Request{Spec: spec(t, ends[0], ends[1], never), User: replicate.User{Admin: true}}); err != nil {
			t.Fatal(err)
		}
	}
	arrive := func(s *server, id string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			if status, _ := s.do("GET", "/db/"+id, ""); status == 200 {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s does not arrive", id)
			}
		}
	}
	for i, first := range []*server{ours, other} {
		second := []*server{other, ours}[i]
		kept, lost := "kept"+string(rune('a'+i)), "lost"+string(rune('a'+i))
		first.must(201, "PUT", "/db/"+kept, `{}`)
		arrive(second, kept)
		backup := first.must(200, "GET", "/db/_backup", "")
		second.must(201, "PUT", "/db/"+lost, `{}`)
		arrive(first, lost)
		if answer := first.must(201, "PUT", "/db/_restore?replace=true", backup); !strings.Contains(answer, `"ok":true`) {
			t.Fatal(answer)
		}
		arrive(first, lost)
	}
}
