package smoosh

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/tododb/tododb/store"
)

// known is what is remembered of a database.
type known struct {
	Instance string              `json:"instance,omitempty"`
	File     *counted            `json:"file,omitempty"`
	Indexes  map[string]*counted `json:"indexes,omitempty"` // by signature
	Seq      uint64              `json:"seq,omitempty"`     // when it was last compacted
	Looked   int64               `json:"looked,omitempty"`  // the second of the last look at all of it
	Subs     int64               `json:"subs,omitempty"`    // bytes of all indexes then
	Design   uint64              `json:"design,omitempty"`  // state of the design documents at the last clean-up
	Chores   map[string]int64    `json:"chores,omitempty"`  // the second when each was last done
}

// counted is what was found in a file.
type counted struct {
	Live int64 `json:"live"` // what it would be after a compaction
	Size int64 `json:"size"` // what it was
	// Active is store.Usage.Active then.
	Active int64 `json:"active,omitempty"`
	// Spare is what the last compaction left free: another one would leave as much.
	Spare int64 `json:"spare,omitempty"`
	// Superseded is what the bodies of old revisions take; after since, a state of the process's own counter.
	Superseded int64 `json:"superseded,omitempty"`
	since      int64
	when       time.Time
}

// superseded is what the bodies of old revisions take now.
func (c *counted) superseded(counter int64) int64 {
	if c == nil {
		return max(counter, 0) // those before this process are not known
	}
	return max(c.Superseded+counter-c.since, 0)
}

// spare is what is free in a file however often it is compacted.
func (c *counted) spare() int64 {
	if c == nil {
		return 0 // the first compaction tells
	}
	return c.Spare
}

// most is what a compaction would leave at the most, as far as can be told without a count.
func (c *counted) most(u store.Usage) int64 {
	return u.File - max(u.Free-c.spare(), 0) - c.superseded(u.Superseded)
}

// expected is what may be alive in a file now, at the most and as far as can be told without a count.
func (c *counted) expected(u store.Usage, most int64) int64 {
	live := min(most, c.Live)
	if u.Active > 0 && u.Active < c.Active {
		live = min(live, int64(float64(c.Live)*float64(u.Active)/float64(c.Active)))
	}
	return live
}

// outdated tells whether so much has changed that a count would tell something new.
func (c *counted) outdated(u store.Usage, staleness time.Duration) bool {
	switch {
	case u.File >= c.Size+c.Size/16, u.Active > 0 && u.Active < c.Active-c.Active/16:
		return true
	}
	return time.Since(c.when) >= staleness && (u.File != c.Size || u.Active != c.Active)
}

// file is what is known of an object's file, nil: nothing.
func (k *known) file(o object) *counted {
	switch {
	case k == nil:
		return nil
	case o.index == "":
		return k.File
	}
	return k.Indexes[o.index]
}

// set notes what was found in an object's file.
func (k *known) set(o object, c *counted) {
	if o.index == "" {
		k.File = c
		return
	}
	if k.Indexes == nil {
		k.Indexes = map[string]*counted{}
	}
	k.Indexes[o.index] = c
}

// load reads what an earlier process has remembered.
func load(path string) (map[string]*known, error) {
	all := map[string]*known{}
	if path == "" {
		return all, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		return map[string]*known{}, fmt.Errorf("read what was known of the files: %w", err)
	}
	for name, k := range all {
		if k == nil {
			delete(all, name)
		}
	}
	return all, nil
}

// save replaces the file. It need not survive a crash of the machine.
func save(path string, all []byte) error {
	if path == "" {
		return nil
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, all, 0o600); err != nil {
		return fmt.Errorf("remember what is known of the files: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("remember what is known of the files: %w", err)
	}
	return nil
}
