package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"

	"github.com/tododb/tododb/httpapi/backups/client"
)

// A database that is gone between its name and what is told of it does not end the list.
func TestListGoesOnBehindAPageThatLacksOne(t *testing.T) {
	var there []string
	for i := range 2_500 {
		there = append(there, fmt.Sprintf("db%04d", i))
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		from, to := "", ""
		for key, into := range map[string]*string{"start_key": &from, "end_key": &to} {
			if err := json.Unmarshal([]byte(q.Get(key)), into); err != nil {
				t.Error(key, err)
			}
		}
		skip, _ := strconv.Atoi(q.Get("skip"))
		var names []string
		for _, name := range there {
			if name >= from && name <= to {
				names = append(names, name)
			}
		}
		names = names[min(skip, len(names)):]
		if limit, err := strconv.Atoi(q.Get("limit")); err == nil {
			names = names[:min(limit, len(names))]
		}
		var answer any = names
		if r.URL.Path == "/_dbs_info" {
			rows := []map[string]any{}
			for _, name := range names {
				if name != "db0500" {
					rows = append(rows, map[string]any{"key": name, "info": map[string]any{"db_name": name}})
				}
			}
			answer = rows
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	defer web.Close()
	s, err := client.New(web.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	a := &asking{Server: s}
	if err := a.eachDatabase(t.Context(), "", func(_ json.RawMessage, one dbInfo) { got = append(got, one.Name) }); err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(slices.Clone(there), func(name string) bool { return name == "db0500" })
	if !slices.Equal(got, want) {
		t.Errorf("%d databases of %d are listed", len(got), len(want))
	}
}
