package repository

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// Sink takes databases in: a server, or a folder without one.
type Sink interface {
	// There tells of a database how many documents it has, apart from design documents; -1: there
	// is none.
	There(ctx context.Context, database string) (documents int64, err error)
	// Restore makes a database of streams, as package backup does. Of the options it heeds Replace and
	// DryRun. If it fails, nothing has changed.
	Restore(ctx context.Context, database string, streams io.Reader, opt backup.RestoreOptions) error
}

// Restoring says what is to be restored.
type Restoring struct {
	Database string // "": all
	As       string // another name for it
	Replace  bool   // databases that are there
	Missing  bool   // leave out those that are there, but for empty ones of the system
	Dry      bool   // do everything, but change nothing in the end
	Progress func(Progress)
	// Planned is called before the first database is touched; nil: nobody wants to know.
	Planned func(Plan)
	// Done is called for each database that was restored; nil: nobody wants to know.
	Done func(name string, from *Chain)
}

// Plan says what a restore is about to do.
type Plan struct {
	Databases int      // that are restored
	Documents uint64   // of them, with the deleted ones
	Replaced  []string // those of them that are there, except for empty ones of the system
}

// ExistError says which databases would have to be replaced.
type ExistError struct{ Names []string }

func (e *ExistError) Error() string {
	return fmt.Sprintf("there already: %q; nothing was changed. Replacing them deletes what they have", e.Names)
}

// systemDatabases are there on every server, so that the empty ones may be replaced without asking.
var systemDatabases = map[string]bool{"_users": true, "_replicator": true, "_global_changes": true, store.SynchronizationsDB: true}

// rank orders databases: what a server does for its users and jobs, as soon as it has them, may make
// databases that are still to come.
func rank(name string) int {
	switch name {
	case "_replicator", store.SynchronizationsDB:
		return 2
	case "_users":
		return 1
	}
	return 0
}

// Restore restores the databases of a backup. Each one appears at once, and only if all of it is
// right. The error is *ExistError if some are there and are not to be replaced; then nothing has
// changed.
func (r *Repository) Restore(ctx context.Context, sink Sink, b *Backup, q Restoring) (err error) {
	ctx, release, err := r.lock(ctx, reading, "", r.Wait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if b, err = r.again(ctx, b); err != nil {
		return err
	}
	var places []int
	if q.Database != "" {
		i, err := b.Find(q.Database)
		if err != nil {
			return err
		}
		places = []int{i}
	} else {
		for i := range b.Databases {
			places = append(places, i)
		}
		slices.SortStableFunc(places, func(i, j int) int { return cmp.Compare(rank(b.Databases[i].Name), rank(b.Databases[j].Name)) })
	}
	replace := map[string]bool{}
	exist := &ExistError{}
	var plan Plan
	all := places
	places = nil
	for _, i := range all {
		name := b.Databases[i].Name
		if q.As != "" {
			name = q.As
		}
		n, err := sink.There(ctx, name)
		if err != nil {
			return err
		}
		replace[name] = n >= 0
		if n >= 0 && !(n == 0 && systemDatabases[name] && name == b.Databases[i].Name) {
			if q.Missing {
				continue
			}
			exist.Names = append(exist.Names, name)
		}
		places = append(places, i)
		plan.Documents += b.Chains[i].Documents
	}
	if len(exist.Names) > 0 && !q.Replace {
		return exist
	}
	plan.Databases, plan.Replaced = len(places), exist.Names
	if q.Planned != nil {
		q.Planned(plan)
	}
	// All that is needed is there, before the first one is touched.
	for _, i := range places {
		for p := range (&Outline{Chains: b.Chains[i : i+1]}).parts() {
			if err := r.there(ctx, p); err != nil {
				return fmt.Errorf("%s: %w", b.Databases[i].Name, err)
			}
		}
	}
	one := restoring{repo: r, sink: sink, q: &q, now: Progress{All: len(places)}}
	for _, i := range places {
		name := b.Databases[i].Name
		if q.As != "" {
			name = q.As
		}
		one.now.Database = name
		if err := one.restore(ctx, &b.Chains[i], replace[name]); err != nil {
			return fmt.Errorf("restore %s: %w", name, err)
		}
		one.now.Done++
		if q.Done != nil {
			q.Done(name, &b.Chains[i])
		}
	}
	return nil
}

// there looks whether an object is there, with its size.
func (r *Repository) there(ctx context.Context, p Part) error {
	found := false
	err := r.storage.List(ctx, p.Name[:len(p.Name)-len(sum(p.Name))], func(e Entry) error {
		found = found || e.Name == p.Name && e.Size == p.Size
		return nil
	})
	if err == nil && !found {
		err = &MissingError{p.Name}
	}
	return err
}

// restoring is a restore that is going on.
type restoring struct {
	repo *Repository
	sink Sink
	q    *Restoring
	now  Progress
}

// restore restores the database that now names.
func (o *restoring) restore(ctx context.Context, c *Chain, replace bool) error {
	out, in := io.Pipe()
	composed := make(chan error, 1)
	go func() {
		w := bufio.NewWriterSize(in, 256<<10)
		err := o.compose(ctx, c, w)
		err = errors.Join(err, w.Flush())
		in.CloseWithError(err)
		composed <- err
	}()
	err := o.sink.Restore(ctx, o.now.Database, out, backup.RestoreOptions{Replace: replace, DryRun: o.q.Dry})
	out.CloseWithError(errors.New("the target has already answered"))
	if composing := <-composed; composing != nil && !errors.Is(composing, io.ErrClosedPipe) {
		if broken(composing) || err == nil {
			err = composing // the cause
		}
	}
	return err
}

// compose writes the streams of a chain, with the contents of attachments.
func (o *restoring) compose(ctx context.Context, c *Chain, w io.Writer) error {
	have, err := newContents(o.repo)
	if err != nil {
		return err
	}
	defer have.close()
	if err := have.load(ctx, c.Packs); err != nil {
		return err
	}
	out := backup.NewWriter(w)
	sent := map[store.Digest]bool{}
	now := &o.now
	return o.repo.each(ctx, c.Segments, func(stream *backup.Reader, item *backup.Item) error {
		now.Bytes += int64(len(item.Bytes()))
		switch item.Kind {
		case backup.KindHeader:
			h := stream.Header()
			h.NoContent = false
			return out.Begin(h)
		case backup.KindEnd:
			e, _ := stream.End()
			_, err := out.End(e)
			return err
		case backup.KindAttachment:
			a, err := item.Attachment()
			if err != nil {
				return err
			}
			if sent[a.Digest] {
				return out.Copy(item)
			}
			sent[a.Digest] = true
			if err := out.AttachmentHead(a); err != nil {
				return err
			}
			return have.chunks(ctx, c.Key, a.Digest, func(chunk []byte) error {
				now.Bytes += int64(len(chunk))
				o.show()
				return out.Item(backup.KindChunk, chunk)
			})
		case backup.KindDocument:
			if now.Documents++; now.Documents%500 == 0 {
				o.show()
			}
		}
		return out.Copy(item)
	})
}

func (o *restoring) show() {
	if o.q.Progress != nil {
		o.q.Progress(o.now)
	}
}
