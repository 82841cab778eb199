package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/tododb/tododb/store"
)

// holding says what a file holds: the first line of its cuts.
type holding struct {
	Version  int    `json:"version"`
	DB       string `json:"db"`
	Instance string `json:"instance"` // of the database
	Query    string `json:"query"`    // what of it: see query.text
	Coding   string `json:"coding"`

	// Base is the sequence that was newest when the file was begun. Documents deleted until then
	// are not in the file.
	Base uint64 `json:"base"`
	// PurgeSeq is the purge sequence: a purge cannot be told to clients, so the file ends with it.
	PurgeSeq uint64 `json:"purge_seq"`
}

// is tells whether two files hold the same.
func (h *holding) is(other *holding) bool {
	return h.DB == other.DB && h.Instance == other.Instance && h.Query == other.Query && h.Coding == other.Coding
}

const holdingVersion = 1

// cut is a length of a file at which a snapshot may end.
type cut struct {
	N   uint64 `json:"n"`   // the sequence that it reaches
	Seq string `json:"seq"` // the same as clients see it, which tells databases that were put back
	At  int64  `json:"at"`  // bytes of the file
	Raw int64  `json:"raw"` // bytes before compression
	CRC uint32 `json:"crc"` // of those
	ID  string `json:"id"`  // tells its bytes from those of every other cut
}

const cutsSuffix = ".cuts"

// readCuts reads what a file holds and its cuts. A crash can leave a last line that is torn,
// which is cut off.
func readCuts(path string) (h holding, cuts []cut, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return h, nil, err
	}
	whole := bytes.LastIndexByte(b, '\n') + 1
	if whole < len(b) {
		if err := os.Truncate(path, int64(whole)); err != nil {
			return h, nil, err
		}
	}
	lines := json.NewDecoder(bytes.NewReader(b[:whole]))
	if err := lines.Decode(&h); err != nil {
		return h, nil, err
	}
	if h.Version != holdingVersion {
		return h, nil, fmt.Errorf("%s is of version %d", path, h.Version)
	}
	for lines.More() {
		var c cut
		if err := lines.Decode(&c); err != nil {
			return h, nil, err
		}
		cuts = append(cuts, c)
	}
	return h, cuts, nil
}

// appendCut records a cut whose bytes are on disk.
func appendCut(path string, h *holding, c *cut) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var b []byte
	if info.Size() == 0 {
		if b, err = json.Marshal(h); err != nil {
			return err
		}
		b = append(b, '\n')
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = f.Write(append(append(b, line...), '\n'))
	return err
}

// of tells whether the database had what the cut has. One that was put back may have the number for
// something else.
func (c *cut) of(ctx context.Context, db *store.DB) (bool, error) {
	n, err := db.ParseSeq(ctx, c.Seq)
	return err == nil && n == c.N, err
}

// place is the line that says how far the lines before it go.
func (c *cut) place() []byte {
	return append(strconv.AppendQuote([]byte(`{"last_seq":`), c.Seq), "}\n"...)
}
