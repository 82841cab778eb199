package backup

import (
	"context"
	"errors"
	"io"

	"github.com/tododb/tododb/store"
)

// RestoreOptions say how a database is restored.
type RestoreOptions struct {
	// Replace puts it in the place of a database of its name. Whoever uses that gets store.ErrReplaced.
	Replace bool
	// Move says that the database goes on as the same one, for example on another engine: no epoch
	// begins, and replication checkpoints stay if the streams have them.
	Move bool
	// DryRun verifies everything and leaves nothing behind.
	DryRun bool
	// Content opens the content of an attachment that comes without; nil: there must be none.
	Content func(ctx context.Context, a Attachment) (io.ReadCloser, error)
	// Progress is told how far it is, now and then; may be nil.
	Progress func(Progress)
}

// Restored is what was restored.
type Restored struct {
	From    string // the name that the database had
	End     End
	Streams int // whole and continuing ones
}

// Restore makes a database of streams that follow one another: a whole one, and those that continue
// it. The database is made aside; it appears under its name at once, after all of it was verified.
// So a restore that fails, at whatever point, changes nothing.
//
// A restored database is a state of the past: it begins an epoch, and has lost its replication
// checkpoints, so that everybody who has more compares anew. The error may be *Broken,
// store.ErrDBExists or store.ErrBadDBName.
func Restore(ctx context.Context, s *store.Store, name string, r io.Reader, opt RestoreOptions) (Restored, error) {
	if !opt.Replace && !opt.DryRun { // it would be told only in the end
		there, err := s.Exists(ctx, name)
		if err != nil {
			return Restored{}, err
		}
		if there {
			return Restored{}, store.ErrDBExists
		}
	}
	a, err := s.Adopt(ctx, name)
	if err != nil {
		return Restored{}, err
	}
	t := taker{a: a, r: NewReader(r), opt: opt}
	done, err := t.run(ctx)
	return done, errors.Join(refusal(err), a.Close())
}

// refusal is an error as Restore returns it.
func refusal(err error) error {
	if m, is := errors.AsType[*store.Misfit](err); is {
		return &Broken{m.Reason}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &Broken{"it is cut"}
	}
	return err
}

// taker takes streams in.
type taker struct {
	a   *store.Adoption
	r   *Reader
	opt RestoreOptions

	done     Restored
	skipping bool // chunks that are here already
	progress Progress
}

// progressEvery is after how many items Progress is told.
const progressEvery = 1000

func (t *taker) run(ctx context.Context) (Restored, error) {
	for n := 1; ; n++ {
		i, err := t.r.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = t.item(ctx, i)
		}
		if err != nil {
			return t.done, err
		}
		t.progress.Bytes += int64(len(i.Bytes()))
		if t.opt.Progress != nil && n%progressEvery == 0 {
			t.progress.Seq, t.progress.Of = t.r.Reached().Seq, t.r.Reached().Seq
			t.opt.Progress(t.progress)
		}
	}
	if t.done.Streams == 0 {
		return t.done, broken("it is empty")
	}
	t.done.End, _ = t.r.End()
	opt := store.AdoptOptions{Replace: t.opt.Replace, Move: t.opt.Move, DryRun: t.opt.DryRun}
	err := t.a.Finish(opt)
	if err == nil {
		err = t.matches()
	}
	if err == nil {
		err = t.a.Publish(opt)
	}
	return t.done, err
}

// matches compares what was taken in with what the end of the stream says.
func (t *taker) matches() error {
	f := t.a.Figures()
	if e := t.done.End; f.Seq != e.Point.Seq || f.Docs != e.Documents || f.Deleted != e.Deleted {
		return broken("it has %d documents, %d of them deleted, up to sequence %d, and should have %d, %d and %d",
			f.Docs, f.Deleted, f.Seq, e.Documents, e.Deleted, e.Point.Seq)
	}
	return nil
}

// item takes one in.
func (t *taker) item(ctx context.Context, i *Item) error {
	if i.Kind != KindChunk {
		t.skipping = false
	}
	switch i.Kind {
	case KindHeader:
		return t.header()
	case KindAttachment:
		return t.attachment(ctx, i)
	case KindChunk:
		return t.chunk(i)
	case KindBody:
		key, value, err := i.Body()
		if err != nil {
			return err
		}
		return t.a.Body(key, value)
	case KindDocument:
		d, err := i.Document()
		if err != nil {
			return err
		}
		t.progress.Documents++
		return t.a.Document(d.ID, d.Seq, d.Record, d.Entry)
	case KindGone:
		return t.a.Gone(i.Payload)
	case KindSurvivors:
		s, err := i.Survivors()
		if err != nil {
			return err
		}
		return t.a.Survivors(s.From, s.To, s.Seqs)
	case KindSpace:
		s, err := i.Space()
		if err != nil {
			return err
		}
		return t.a.Space(s)
	case KindEntry:
		e, err := i.Entry()
		if err != nil {
			return err
		}
		return t.a.Entry(e.Space, e.Key, e.Value)
	case KindTrim:
		space, key, err := i.Trim()
		if err != nil {
			return err
		}
		return t.a.Trim(space, key)
	}
	return nil // an end, which the reader has checked
}

func (t *taker) header() error {
	h := t.r.Header()
	t.done.Streams++
	switch {
	case h.Contents:
		return broken("it has nothing but attachments")
	case t.done.Streams == 1 && !h.Since.IsZero():
		return broken("it continues another one, which is not there")
	}
	t.done.From = h.Database
	return t.a.Abandon() // what a cut stream began
}

func (t *taker) attachment(ctx context.Context, i *Item) error {
	a, err := i.Attachment()
	if err != nil {
		return err
	}
	wanted, err := t.a.Attachment(store.CapturedAttachment{Digest: a.Digest, Length: a.Length, Linked: a.Linked})
	switch {
	case err != nil:
		return err
	case !wanted:
		t.skipping = a.Content
		return nil
	case a.Content && a.Length > 0:
		return nil
	case a.Content || a.Length == 0:
		return t.a.ContentEnd()
	case t.opt.Content == nil:
		return broken("the content of attachment %s is not there", a.Digest)
	}
	r, err := t.opt.Content(ctx, a)
	if err != nil {
		return err
	}
	return errors.Join(t.a.Content(r), r.Close())
}

func (t *taker) chunk(i *Item) error {
	if t.skipping {
		return nil
	}
	if err := t.a.Chunk(i.Payload); err != nil || t.a.Missing() > 0 {
		return err
	}
	return t.a.ContentEnd()
}

// Fill copies streams, and gives attachments that come without content theirs.
func Fill(dst io.Writer, src io.Reader, content func(Attachment) (io.ReadCloser, error)) error {
	r, w := NewReader(src), NewWriter(dst)
	for {
		i, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = fill(w, r, i, content)
		}
		if err != nil {
			return err
		}
	}
}

func fill(w *Writer, r *Reader, i *Item, content func(Attachment) (io.ReadCloser, error)) error {
	switch i.Kind {
	case KindHeader:
		h := r.Header()
		h.NoContent = false
		return w.Begin(h)
	case KindEnd:
		e, _ := r.End()
		_, err := w.End(e)
		return err
	case KindAttachment:
		a, err := i.Attachment()
		if err != nil || a.Content {
			return errors.Join(err, w.Copy(i))
		}
		c, err := content(a)
		if err != nil {
			return err
		}
		return errors.Join(w.Attachment(a, c), c.Close())
	}
	return w.Copy(i)
}
