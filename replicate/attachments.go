package replicate

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// Attachment is what a replicated document says about one of its attachments.
type Attachment struct {
	Name     string
	Type     string
	RevPos   uint64
	Length   int64 // of the bytes as sent: compressed, if Encoding says so
	Unpacked int64 // with Encoding: the uncompressed length, 0 if unknown
	Encoding string
	Digest   string // as CouchDB writes it, "" if the document does not say
	Stub     bool   // the target has the bytes
}

// errMissingStub says that the target does not have the bytes that a stub stands for.
var errMissingStub = errors.New("the target does not have the content of a stub")

func attachmentOf(said *document.Attachment) Attachment {
	a := Attachment{Name: said.Name, Type: said.Type, RevPos: said.RevPos, Length: max(said.Length, 0), Encoding: said.Encoding, Digest: said.Digest}
	if a.Encoding != "" && said.Encoded >= 0 {
		a.Unpacked, a.Length = a.Length, said.Encoded
	}
	return a
}

// markStubs leaves out the bytes that the target must already have: of attachments that came
// with an ancestor that it has, or before that ancestor.
func (r *Revision) markStubs(ancestors []revtree.Rev) {
	has := uint64(0)
	for _, mine := range r.Doc.Path {
		for _, theirs := range ancestors {
			if mine == theirs {
				has = max(has, mine.Gen)
			}
		}
	}
	for i := range r.Attachments {
		r.Attachments[i].Stub = r.Attachments[i].RevPos <= has && has > 0
	}
}

// bare tells whether no bytes follow, because the target has all attachments.
func (r *Revision) bare() bool {
	return !slices.ContainsFunc(r.Attachments, func(att Attachment) bool { return !att.Stub })
}

// json returns the document with its attachments, each as a stub or as one that follows.
func (r *Revision) json() []byte {
	b := r.Doc.AppendOpen(make([]byte, 0, 256+len(r.Doc.Body)+40*len(r.Doc.Path)+128*len(r.Attachments)))
	b = append(b, `,"_attachments":{`...)
	for i, att := range r.Attachments {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonscan.AppendString(b, att.Name)
		b = jsonscan.AppendString(append(b, `:{"content_type":`...), att.Type)
		b = strconv.AppendUint(append(b, `,"revpos":`...), att.RevPos, 10)
		switch {
		case att.Stub:
			b = append(b, `,"stub":true`...)
			if att.Digest != "" { // the target checks that it has these bytes
				b = jsonscan.AppendString(append(b, `,"digest":`...), att.Digest)
			}
		case att.Encoding != "":
			length := att.Unpacked
			if length == 0 {
				length = att.Length
			}
			b = strconv.AppendInt(append(b, `,"follows":true,"length":`...), length, 10)
			b = jsonscan.AppendString(append(b, `,"encoding":`...), att.Encoding)
			b = strconv.AppendInt(append(b, `,"encoded_length":`...), att.Length, 10)
		default:
			b = strconv.AppendInt(append(b, `,"follows":true,"length":`...), att.Length, 10)
		}
		b = append(b, '}')
	}
	return append(b, `}}`...)
}

// opener opens the bytes of an attachment of the revision that is being copied.
type opener func(ctx context.Context, att *Attachment) (io.ReadCloser, error)

// carryAttached copies one revision with attachments to the target.
func (l *load) carryAttached(r *Revision) error {
	j := l.job
	open := func(ctx context.Context, att *Attachment) (io.ReadCloser, error) {
		in, err := j.source.OpenAttachment(ctx, r, att)
		if err == nil && att.Encoding == "" {
			in, err = unpacked(in)
		}
		return in, err
	}
	var refused *Refusal
	store := func() (err error) {
		refused, err = j.target.StoreAttached(l.ctx, r, open)
		return err
	}
	err := l.write(store)
	if errors.Is(err, errMissingStub) {
		for i := range r.Attachments {
			r.Attachments[i].Stub = false
		}
		err = l.write(store)
	}
	if long, ok := errors.AsType[*longURL](err); ok {
		refused, err = &Refusal{ID: r.Doc.ID, Reason: long.Error()}, nil
	}
	if err != nil {
		return stop{err}
	}
	if refused != nil {
		l.refuse(*refused)
	}
	l.stats.DocsRead++
	l.stats.DocsWritten++
	return nil
}
