package repository

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"slices"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// Verified is what Verify has looked at.
type Verified struct {
	Backups, Objects int
	Bytes            int64
	Documents        uint64 // whose bodies and attachments are there; as often as they were captured
	Attachments      uint64
	Deep             bool // the contents were read, not only the sums of objects compared
	Problems         int
}

// Verify reads everything that backups name and compares it with its sums. If there is a key, it also
// looks whether the body of every revision and the content of every attachment is there. It reports
// what is wrong. IDs name backups; nil: all.
func (r *Repository) Verify(ctx context.Context, ids []string, report func(problem string), progress func(Verified)) (v Verified, err error) {
	ctx, release, err := r.lock(ctx, reading, "", r.Wait)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, release()) }()
	all, _, err := r.listBackups(ctx)
	if err != nil {
		return v, err
	}
	if len(ids) > 0 {
		var some []listed
		for _, id := range ids {
			l, err := r.find(ctx, Wanted{ID: id})
			if err != nil {
				return v, err
			}
			some = append(some, l)
		}
		all = some
	}
	f := &verifier{repo: r, report: report, progress: progress, seen: map[string]bool{}, bad: map[string]bool{}, v: Verified{Deep: r.CanRead()}}
	for i := len(all) - 1; i >= 0; i-- { // the newest has the longest chains
		if err := f.backup(ctx, all[i]); err != nil {
			return f.v, err
		}
	}
	return f.v, nil
}

type verifier struct {
	repo     *Repository
	report   func(string)
	progress func(Verified)
	seen     map[string]bool // objects
	bad      map[string]bool // those of them that cannot be trusted
	chains   [][]Part        // that were read in depth
	v        Verified
}

// note reports a problem, and lets all other errors end the work.
func (f *verifier) note(where string, err error) error {
	_, missing := errors.AsType[*MissingError](err)
	_, damaged := errors.AsType[*DamagedError](err)
	if err == nil || !missing && !damaged && !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	f.problem("%s: %v", where, err)
	return nil
}

func (f *verifier) problem(format string, args ...any) {
	f.v.Problems++
	f.report(fmt.Sprintf(format, args...))
}

func (f *verifier) backup(ctx context.Context, l listed) error {
	read := f.repo.readBackup
	if !f.v.Deep {
		read = f.repo.readOutline
	}
	b, err := read(ctx, l)
	if errors.Is(err, ErrNoBackup) {
		return nil
	}
	if err != nil {
		return f.note("backup "+l.id, err)
	}
	f.v.Backups++
	f.v.Objects++
	f.v.Bytes += l.Size
	for p := range b.parts() {
		if f.seen[p.Name] {
			continue
		}
		f.seen[p.Name] = true
		f.v.Objects++
		f.v.Bytes += p.Size
		err := f.repo.verify(ctx, p)
		f.bad[p.Name] = err != nil
		if err := f.note("backup "+l.id, err); err != nil {
			return err
		}
		f.show()
	}
	for i := range b.Chains {
		trusted := f.v.Deep
		b.Chains[i].each(func(p Part) bool {
			trusted = trusted && !f.bad[p.Name]
			return trusted
		})
		if !trusted {
			continue
		}
		if err := f.note(b.Databases[i].Name, f.chain(ctx, &b.Chains[i], b.Databases[i].Name)); err != nil {
			return err
		}
	}
	return nil
}

func (f *verifier) show() {
	if f.progress != nil {
		f.progress(f.v)
	}
}

// chain looks whether all that documents need is there. What comes with a document stands before it,
// so a chain that is the beginning of one that was read needs not be read again.
func (f *verifier) chain(ctx context.Context, c *Chain, name string) (err error) {
	if slices.ContainsFunc(f.chains, func(longer []Part) bool {
		return len(longer) >= len(c.Segments) && slices.Equal(longer[:len(c.Segments)], c.Segments)
	}) {
		return nil
	}
	f.chains = append(f.chains, c.Segments)
	have, err := newContents(f.repo)
	if err != nil {
		return err
	}
	defer have.close()
	if err := have.load(ctx, c.Packs); err != nil {
		return err
	}
	bodies := map[store.BodyKey]bool{}
	var chunk []byte
	attached, announced := map[store.Digest]bool{}, map[store.Digest]bool{}
	err = f.repo.each(ctx, c.Segments, func(_ *backup.Reader, item *backup.Item) error {
		switch item.Kind {
		case backup.KindAttachment:
			a, err := item.Attachment()
			if err != nil {
				return err
			}
			announced[a.Digest] = true
		case backup.KindBody:
			key, value, err := item.Body()
			if err != nil {
				return err
			}
			bodies[store.BodyKey(key)] = true
			atts, err := store.CapturedAttachments(value)
			if err != nil {
				f.problem("%s: body %x: %v", name, key, err)
				return nil
			}
			for _, a := range atts {
				if attached[a.Digest] {
					continue
				}
				attached[a.Digest] = true
				if !announced[a.Digest] {
					f.problem("%s: attachment %s is needed before it comes", name, a.Digest)
				}
				f.v.Attachments++
				sum := md5.New()
				err := have.chunks(ctx, c.Key, a.Digest, func(b []byte) (err error) {
					if chunk, err = store.AppendCapturedChunk(chunk[:0], b); err == nil {
						sum.Write(chunk)
					}
					return err
				})
				if err == nil && store.Digest(sum.Sum(nil)) != a.Digest {
					err = &DamagedError{"attachment " + a.Digest.String(), "its content has another digest"}
				}
				if err := f.note(name, err); err != nil {
					return err
				}
			}
		case backup.KindDocument:
			d, err := item.Document()
			if err != nil {
				return err
			}
			rec, err := store.ParseCaptured(d.Record)
			var keys []store.BodyKey
			if err == nil {
				keys, err = rec.Bodies()
			}
			if err != nil {
				f.problem("%s: document %q: %v", name, d.ID, err)
			}
			for _, k := range keys {
				if !bodies[k] {
					f.problem("%s: document %q: the body of a revision is missing", name, d.ID)
				}
			}
			f.v.Documents++
			f.show()
		}
		return nil
	})
	return err
}
