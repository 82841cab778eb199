package backups

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sort"
	"time"
	"unicode/utf8"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup/repository"
)

// Target opens the target of the server's own backups, to read in it.
type Target interface {
	Look(context.Context) (*repository.Repository, error)
}

// look calls fn with the target open. Whoever is the first to look into a large database that an earlier
// release has backed up reads all of it, so one request reads at a time.
func (b *Room) look(r *http.Request, fn func(ctx context.Context, repo *repository.Repository) error) error {
	if b.target == nil {
		return wire.Errorf(http.StatusNotImplemented, "not_implemented", "This server does not back itself up.")
	}
	ctx, cancel := b.whileOpen(r)
	defer cancel()
	select {
	case b.looking <- struct{}{}:
		defer func() { <-b.looking }()
	case <-ctx.Done():
		return whyOver(ctx, ctx.Err())
	}
	repo, err := b.target.Look(ctx)
	if err == nil {
		err = fn(ctx, repo)
	}
	return whyOver(ctx, ofTarget(ctx, err))
}

// ofTarget says of an error that it was met in the target of backups.
func ofTarget(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, said := errors.AsType[*wire.Error](err); said {
		return err
	}
	return &repository.TargetError{Err: err}
}

// find reads the backup of an id.
func find(ctx context.Context, repo *repository.Repository, id string) (*repository.Backup, error) {
	const whole = 16 // an id's length: the beginning of one could become that of two
	if len(id) != whole {
		return nil, repository.ErrNoBackup
	}
	return repo.Find(ctx, repository.Wanted{ID: id})
}

// pageOf is the part of a list that a request asks for.
type pageOf struct {
	start, end  string
	skip, limit int
}

// Limits of the rows in one answer.
const (
	usualRows = 100
	mostRows  = 1000
)

func parsePage(r *http.Request) (q pageOf, err error) {
	q.limit = usualRows
	query, err := wire.QueryOf(r)
	if err != nil {
		return q, err
	}
	err = query.Each(func(name, value string) (err error) {
		switch name {
		case "startkey", "start_key":
			err = parseName(value, &q.start)
		case "endkey", "end_key":
			err = parseName(value, &q.end)
		case "skip":
			q.skip, err = wire.ParsePositive(value)
		case "limit":
			q.limit, err = wire.ParsePositive(value)
		}
		return err
	})
	q.limit = min(q.limit, mostRows)
	return q, err
}

// parseName reads a name or an id, which is JSON as in other queries.
func parseName(value string, into *string) error {
	if !utf8.ValidString(value) || json.Unmarshal([]byte(value), into) != nil {
		return wire.BadRequest("startkey and endkey must be JSON strings")
	}
	return nil
}

// shownBackup is a backup in a list.
type shownBackup struct {
	ID        string    `json:"id"`
	Began     time.Time `json:"began"`
	Time      time.Time `json:"time"`
	Server    string    `json:"server,omitempty"` // its uuid, if that can be read
	Own       bool      `json:"own"`              // of this server
	Partial   bool      `json:"partial"`
	Databases int       `json:"databases"`
	Documents uint64    `json:"documents"`
	Deleted   uint64    `json:"deleted"`
	Failed    int       `json:"failed"` // databases that it has as of an earlier run
	Stored    int64     `json:"stored_bytes"`
	Size      int64     `json:"total_bytes"`
}

func (b *Room) shown(repo *repository.Repository, one *repository.Backup) shownBackup {
	s := shownBackup{
		ID: one.ID, Began: one.Began, Time: one.Time, Server: one.UUID, Own: repo.IsOf(one, b.config.String(uuidSetting.Section, uuidSetting.Name)),
		Partial: one.Partial, Databases: len(one.Chains), Stored: one.Stored, Size: one.Bytes(),
	}
	for _, c := range one.Chains {
		s.Documents += c.Documents - c.Deleted
		s.Deleted += c.Deleted
	}
	for _, d := range one.Databases {
		if d.Failed != "" {
			s.Failed++
		}
	}
	return s
}

// List answers GET /_backups/_all: the backups in the server's own target, the newest first.
func (b *Room) List(w http.ResponseWriter, r *http.Request) error {
	q, err := parsePage(r)
	if err != nil {
		return err
	}
	answer := struct {
		Total     int           `json:"total"`
		Encrypted bool          `json:"encrypted"`
		Readable  bool          `json:"readable"`
		Damaged   string        `json:"damaged,omitempty"`
		Backups   []shownBackup `json:"backups"`
	}{Backups: []shownBackup{}}
	err = b.look(r, func(ctx context.Context, repo *repository.Repository) error {
		answer.Encrypted, answer.Readable = repo.Encrypted(), repo.CanRead()
		total, err := repo.Latest(ctx, q.skip, q.limit, func(one *repository.Backup) error {
			answer.Backups = append(answer.Backups, b.shown(repo, one))
			return nil
		})
		answer.Total = total
		if damaged, is := errors.AsType[*repository.DamagedError](err); is && total > 0 {
			answer.Damaged, err = damaged.Error(), nil
		}
		return err
	})
	if errors.Is(err, repository.ErrNone) {
		err, answer.Readable = nil, true
	}
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, answer)
}

// shownDatabase is a database in a backup.
type shownDatabase struct {
	Name      string    `json:"name"`
	Documents uint64    `json:"documents"`
	Deleted   uint64    `json:"deleted"`
	Size      int64     `json:"size_bytes"` // in the target; other backups may need the same
	Time      time.Time `json:"time"`       // when it was so
	Failed    string    `json:"failed,omitempty"`
}

// Show answers GET /_backups/{id}: a backup and its databases, by their names.
func (b *Room) Show(w http.ResponseWriter, r *http.Request) error {
	q, err := parsePage(r)
	if err != nil {
		return err
	}
	id, err := wire.Segment(r, "id")
	if err != nil {
		return err
	}
	var answer struct {
		shownBackup
		Version string          `json:"version"`
		Rows    []shownDatabase `json:"rows"`
		Next    *string         `json:"next"`
	}
	answer.Rows = []shownDatabase{}
	err = b.look(r, func(ctx context.Context, repo *repository.Repository) error {
		one, err := find(ctx, repo, id)
		if err != nil {
			return err
		}
		answer.shownBackup, answer.Version = b.shown(repo, one), one.Version
		var places []int
		for i := range one.Databases {
			places = append(places, i)
		}
		sort.Slice(places, func(i, j int) bool { return one.Databases[places[i]].Name < one.Databases[places[j]].Name })
		for _, i := range places {
			d, c := &one.Databases[i], &one.Chains[i]
			if d.Name < q.start || q.end != "" && d.Name > q.end {
				continue
			}
			if len(answer.Rows) == q.limit {
				answer.Next = &d.Name
				break
			}
			size := (&repository.Outline{Chains: one.Chains[i : i+1]}).Bytes()
			answer.Rows = append(answer.Rows, shownDatabase{d.Name, c.Documents - c.Deleted, c.Deleted, size, c.Time, d.Failed})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, answer)
}

// shownLeaf is a leaf of a document.
type shownLeaf struct {
	Rev     string `json:"rev"`
	Deleted bool   `json:"deleted"`
}

// shownDocument is a document in a backup.
type shownDocument struct {
	ID      string      `json:"id"`
	Rev     string      `json:"rev"` // of the winner
	Deleted bool        `json:"deleted"`
	Leaves  []shownLeaf `json:"leaves"` // the winner first
	Revs    int         `json:"revisions"`
}

// Documents answers GET /_backups/{id}/{db}: the documents of a database in a backup, by their ids.
func (b *Room) Documents(w http.ResponseWriter, r *http.Request) error {
	q, err := parsePage(r)
	if err != nil {
		return err
	}
	id, name, err := backupAndDatabase(r)
	if err != nil {
		return err
	}
	answer := struct {
		Rows []shownDocument `json:"rows"`
		Next *string         `json:"next"`
	}{Rows: []shownDocument{}}
	err = b.look(r, func(ctx context.Context, repo *repository.Repository) error {
		one, err := find(ctx, repo, id)
		if err != nil {
			return err
		}
		docs, next, err := repo.Page(ctx, one, name, repository.Range{Start: q.start, End: q.end, Limit: q.limit})
		if next != "" {
			answer.Next = &next
		}
		for _, d := range docs {
			row := shownDocument{ID: d.ID, Rev: d.Leaves[0].Rev.String(), Deleted: d.Deleted, Revs: d.Revs}
			for _, l := range d.Leaves {
				row.Leaves = append(row.Leaves, shownLeaf{l.Rev.String(), l.Deleted})
			}
			answer.Rows = append(answer.Rows, row)
		}
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, answer)
}

func backupAndDatabase(r *http.Request) (id, name string, err error) {
	if id, err = wire.Segment(r, "id"); err == nil {
		name, err = wire.Segment(r, "name")
	}
	return id, name, err
}

// Document answers GET /_backups/{id}/{db}/{doc}: a document as it was, its winner or the leaf that rev
// names.
func (b *Room) Document(w http.ResponseWriter, r *http.Request) error {
	return b.document(w, r, "")
}

// DesignDocument answers the same for a path in which the slash of _design/ddoc is one.
func (b *Room) DesignDocument(w http.ResponseWriter, r *http.Request) error {
	return b.document(w, r, "_design/")
}

func (b *Room) document(w http.ResponseWriter, r *http.Request, kind string) error {
	id, name, err := backupAndDatabase(r)
	if err != nil {
		return err
	}
	doc, err := wire.Segment(r, "doc")
	if err != nil {
		return err
	}
	doc = kind + doc
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	var rev revtree.Rev
	if text, given := query.Get("rev"); given {
		if rev, err = revtree.Parse(text); err != nil {
			return err
		}
	}
	var answer []byte
	err = b.look(r, func(ctx context.Context, repo *repository.Repository) error {
		one, err := find(ctx, repo, id)
		if err != nil {
			return err
		}
		docs, err := repo.Documents(ctx, one, name, []string{doc})
		if err != nil {
			return err
		}
		for i := range docs[0].Leaves {
			if l := &docs[0].Leaves[i]; rev.IsZero() || l.Path[0] == rev {
				answer = appendLeaf(nil, doc, l)
				return nil
			}
		}
		return store.ErrMissing
	})
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, answer)
}

// appendLeaf appends a document as other requests for one show it, with stubs for its attachments.
func appendLeaf(b []byte, id string, l *repository.Leaf) []byte {
	b = wire.AppendString(append(b, `{"_id":`...), id)
	b = wire.AppendRev(append(b, `,"_rev":`...), l.Path[0])
	if l.Deleted {
		b = append(b, `,"_deleted":true`...)
	}
	if len(l.JSON) > 2 {
		b = append(append(b, ','), l.JSON[1:len(l.JSON)-1]...)
	}
	for i := range l.Attachments {
		a := &l.Attachments[i]
		if i == 0 {
			b = append(b, `,"_attachments":{`...)
		} else {
			b = append(b, ',')
		}
		b = append(wire.AppendString(b, a.Name), ':')
		b = append(a.AppendLength(a.AppendInfo(b, store.JSONOptions{})), `,"stub":true}`...)
	}
	if len(l.Attachments) > 0 {
		b = append(b, '}')
	}
	return append(b, '}')
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) error {
	answer, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, status, answer)
}
