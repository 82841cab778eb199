package repository

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/tododb/tododb/store/backup"
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

// segment writes a segment: items of a stream, compressed.
type segment struct {
	sealed *sealed
	zip    io.WriteCloser
	size   int64 // bytes before compression
	ids    idsWriter
}

func (r *Repository) newSegment() (*segment, error) {
	s, err := r.seal(nil)
	if err != nil {
		return nil, err
	}
	zip, err := compressor(s)
	if err != nil {
		return nil, errors.Join(err, s.drop())
	}
	return &segment{sealed: s, zip: zip}, nil
}

func (s *segment) Write(b []byte) (int, error) {
	s.size += int64(len(b))
	s.ids.bytes = s.size
	return s.zip.Write(b)
}

func segmentName(sum string) string { return partName(segments, sum) }

// wrote is to be told of each item that was written.
func (s *segment) wrote(item *backup.Item) { s.ids.add(item) }

func (s *segment) keep(ctx context.Context) (Part, error) {
	if err := s.zip.Close(); err != nil {
		return Part{}, errors.Join(err, s.sealed.drop())
	}
	p, err := s.sealed.keep(ctx, segmentName)
	if err != nil {
		return Part{}, err
	}
	return p, s.sealed.repo.keepIDs(ctx, &s.ids, p.Name)
}

func (s *segment) pass(ctx context.Context, to *keeping) (Part, error) {
	if err := s.zip.Close(); err != nil {
		return Part{}, errors.Join(err, s.sealed.drop())
	}
	p, err := s.sealed.pass(ctx, to, segmentName)
	if err != nil {
		return Part{}, err
	}
	list, err := s.sealed.repo.stageIDs(&s.ids, p.Name)
	if err != nil {
		to.fail(err)
		return Part{}, err
	}
	if list != nil {
		err = to.add(ctx, list, idsName(p.Name))
	}
	return p, err
}

func (s *segment) drop() error { return errors.Join(s.zip.Close(), s.sealed.drop()) }

// How large segments become, before compression, and how much of attachments a run lets come
// together before it fetches their content. Both bound what is done again after a cut.
const (
	segmentSize    = 64 << 20
	attachmentSize = 256 << 20
)

// noteEvery is how often a run writes down how far it came.
const noteEvery = 5 * time.Second
