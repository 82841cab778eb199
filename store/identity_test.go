package store

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// An identity is stored as the JSON that every release reads.
func TestIdentityIsJSON(t *testing.T) {
	for _, id := range []identity{
		{Instance: newInstance(), Created: time.Now().UTC().Round(0)},
		{Instance: newInstance(), Created: time.Date(2026, 1, 2, 3, 4, 5, 60_000, time.UTC), Partitioned: true},
		{Instance: newInstance(), Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))},
		{Instance: newInstance(), Former: []string{newInstance()}},
		{Instance: newInstance(), Partitioned: true, Former: []string{newInstance(), newInstance()}},
	} {
		want, err := json.Marshal(&id)
		if err != nil {
			t.Fatal(err)
		}
		stored := id.encode()
		if got := string(stored[1:]); got != string(want) {
			t.Errorf("it is stored as %s, not as %s", got, want)
		}
		if read, err := parseIdentity(stored); err != nil || !read.Created.Equal(id.Created) || read.Instance != id.Instance || read.Partitioned != id.Partitioned || !slices.Equal(read.Former, id.Former) {
			t.Errorf("%+v is read as %+v, %v", id, read, err)
		}
	}
}
