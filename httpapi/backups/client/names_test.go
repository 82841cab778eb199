package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
)

// A database that is gone when the names behind it are asked for does not take the next one with it: a backup would
// lack that one, and say nothing.
func TestNamesBehindOneThatIsGone(t *testing.T) {
	var there []string
	for i := range 10_003 {
		there = append(there, fmt.Sprintf("db%05d", i))
	}
	want := slices.Clone(there)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_all_dbs" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		q, from := r.URL.Query(), ""
		if key := q.Get("start_key"); key != "" {
			if err := json.Unmarshal([]byte(key), &from); err != nil {
				t.Error(err)
			}
		}
		at, _ := slices.BinarySearch(there, from)
		skip, _ := strconv.Atoi(q.Get("skip"))
		limit, err := strconv.Atoi(q.Get("limit"))
		if err != nil {
			t.Error(err)
		}
		page := slices.Clone(there[min(at+skip, len(there)):])
		page = page[:min(limit, len(page))]
		if err := json.NewEncoder(w).Encode(page); err != nil {
			t.Error(err)
		}
		if len(page) == limit { // its last one is deleted
			there = slices.DeleteFunc(there, func(name string) bool { return name == page[limit-1] })
		}
	}))
	defer web.Close()
	s, err := New(web.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Databases(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d of %d databases: %v", len(got), len(want), err)
	}
}
