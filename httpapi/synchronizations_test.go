package httpapi_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/replications"
	"github.com/tododb/tododb/replicate/synchronize"
	"github.com/tododb/tododb/store"
)

// shownAs has synchronizations. errors says which of them can be shown.
type shownAs struct {
	replications.Synchronizer
	ids    []string
	errors map[string]error
}

func (s shownAs) IDs(context.Context, string) ([]string, error) { return s.ids, nil }

func (s shownAs) All() (all []synchronize.Place) {
	for _, id := range s.ids {
		all = append(all, synchronize.Place{DB: "db", ID: id})
	}
	return all
}

func (s shownAs) Show(_ context.Context, _, id string) ([]byte, string, error) {
	if err := s.errors[id]; err != nil {
		return nil, "", fmt.Errorf("show %s: %w", id, err)
	}
	return []byte(`{"id":"` + id + `"}`), "1-a", nil
}

// A synchronization that ends while the list is made is left out. One that cannot be read makes
// the list fail, because a list without it would say that it is gone.
func TestListOfSynchronizationsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{synchronize.ErrNone, 200, `{"synchronizations":[{"id":"a"},{"id":"c"}]}`},
		{store.ErrUnavailable, 503, ""},
		{store.ErrDamaged, 500, ""},
		{store.ErrMissing, 404, ""},
	} {
		s := openServer(t, Options{Synchronizer: shownAs{ids: []string{"a", "b", "c"}, errors: map[string]error{"b": c.err}}})
		call(s, "PUT", "/db", "", "Admin", "")
		w := call(s, "GET", "/db/_synchronizations", "", "Admin", "")
		if body := strings.TrimSpace(w.Body.String()); w.Code != c.status || c.body != "" && body != c.body || strings.Contains(body, "synchronizations") && c.status != 200 {
			t.Errorf("%v: %d %s", c.err, w.Code, body)
		}
		w = call(s, "GET", "/_scheduler/synchronizations?skip=1&limit=2", "", "Admin", "")
		body := strings.TrimSpace(w.Body.String())
		if want := `{"total_rows":3,"offset":1,"synchronizations":[{"id":"c"}]}`; w.Code != c.status || c.status == 200 && body != want {
			t.Errorf("all of the server, %v: %d %s", c.err, w.Code, body)
		}
	}
}
