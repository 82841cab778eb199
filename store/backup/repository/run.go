package repository

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"time"
)

// run is how far a run came, as its object says. The next run of the same server goes on from there.
// It names all that it needs, as a backup does, so that prune leaves it.
type run struct {
	Server string  `json:"server"`
	ID     string  `json:"id"` // of the backup that the run was to make
	Chains []Chain `json:"chains"`
}

func (r *Repository) runName(server string) string { return "runs/" + server }

// readRun reads how far a run came; nil if there is none that can be continued.
func (r *Repository) readRun(ctx context.Context, name string) (*run, error) {
	b, err := readObject(ctx, r.storage, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	found := &run{}
	if err := json.Unmarshal(b, found); err != nil {
		return nil, &DamagedError{name, err.Error()}
	}
	return found, nil
}

func (r *Repository) writeRun(ctx context.Context, u *run) error {
	b, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return writeObject(ctx, r.storage, r.runName(u.Server), b)
}

// How large segments become, before compression, and how much of attachments a run lets come
// together before it fetches their content. Both bound what is done again after a cut.
const (
	segmentSize    = 64 << 20
	attachmentSize = 256 << 20
)

// noteEvery is how often a run writes down how far it came.
const noteEvery = 5 * time.Second
