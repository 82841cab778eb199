package replicate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// Attachment is what a document that is replicated says of one of its attachments.
type Attachment struct {
	Name     string
	Type     string
	RevPos   uint64
	Length   int64 // of the bytes as they are sent: packed, if Encoding says so
	Unpacked int64 // with Encoding: the length unpacked, 0 if it is not known
	Encoding string
	Digest   string // as CouchDB writes it, "" if it was not said
	Stub     bool   // the target has the bytes
}

// Attached is a revision whose attachments travel one by one.
type Attached struct {
	ID          string
	Rev         revtree.Rev
	Doc         []byte // JSON without _attachments
	Attachments []Attachment
}

// errMissingStub says that the target does not have the bytes that a stub stands for.
var errMissingStub = errors.New("the target lacks the bytes of a stub")

// attachedOf takes a document with attachments apart; nil if it has none.
func attachedOf(doc []byte) (*Attached, []revtree.Rev, error) {
	if !bytes.Contains(doc, []byte(`"_attachments"`)) {
		return nil, nil, nil
	}
	parsed, err := document.Parse(doc, document.Options{})
	if err == nil {
		err = parsed.CheckAttachments()
	}
	if err != nil || parsed.Attachments == nil {
		return nil, nil, err
	}
	a := &Attached{ID: parsed.ID, Rev: parsed.Rev, Doc: []byte{'{'}}
	err = jsonscan.EachMember(doc, func(name, value []byte) error {
		if string(name) == "_attachments" {
			return nil
		}
		if len(a.Doc) > 1 {
			a.Doc = append(a.Doc, ',')
		}
		a.Doc = append(jsonscan.AppendString(a.Doc, name), ':')
		a.Doc = append(a.Doc, value...)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	a.Doc = append(a.Doc, '}')
	for i := range parsed.Attachments {
		a.Attachments = append(a.Attachments, attachmentOf(&parsed.Attachments[i]))
	}
	return a, parsed.Path, nil
}

func attachmentOf(said *document.Attachment) Attachment {
	a := Attachment{Name: said.Name, Type: said.Type, RevPos: said.RevPos, Length: max(said.Length, 0), Encoding: said.Encoding, Digest: said.Digest}
	if a.Encoding != "" && said.Encoded >= 0 {
		a.Unpacked, a.Length = a.Length, said.Encoded
	}
	return a
}

// markStubs leaves out the bytes that the target must have: of an attachment that came
// with an ancestor that is there, or before it.
func (a *Attached) markStubs(path, ancestors []revtree.Rev) {
	has := uint64(0)
	for _, mine := range path {
		for _, theirs := range ancestors {
			if mine == theirs {
				has = max(has, mine.Gen)
			}
		}
	}
	for i := range a.Attachments {
		a.Attachments[i].Stub = a.Attachments[i].RevPos <= has && has > 0
	}
}

// bare tells whether no bytes follow: the target has those of all attachments.
func (a *Attached) bare() bool {
	return !slices.ContainsFunc(a.Attachments, func(att Attachment) bool { return !att.Stub })
}

// json is the document with its attachments: stubs, and those that follow.
func (a *Attached) json() []byte {
	b := append(make([]byte, 0, len(a.Doc)+128*len(a.Attachments)), a.Doc[:len(a.Doc)-1]...)
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = append(b, `"_attachments":{`...)
	for i, att := range a.Attachments {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonscan.AppendString(b, att.Name)
		b = jsonscan.AppendString(append(b, `:{"content_type":`...), att.Type)
		b = strconv.AppendUint(append(b, `,"revpos":`...), att.RevPos, 10)
		switch {
		case att.Stub:
			b = append(b, `,"stub":true`...)
			if att.Digest != "" { // the target makes sure that it has these bytes
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

// opener gives the bytes of an attachment of the revision that is being carried.
type opener func(ctx context.Context, name string) (io.ReadCloser, error)

// carryAttached brings one revision with attachments across.
func (l *load) carryAttached(a *Attached) error {
	j := l.job
	open := func(ctx context.Context, name string) (io.ReadCloser, error) {
		in, err := j.source.OpenAttachment(ctx, a.ID, a.Rev, name)
		if err == nil && !slices.ContainsFunc(a.Attachments, func(att Attachment) bool { return att.Name == name && att.Encoding != "" }) {
			in, err = unpacked(in)
		}
		return in, err
	}
	var refused *Refusal
	err := j.retry(l.ctx, j.target, func() (err error) {
		refused, err = j.target.StoreAttached(l.ctx, a, open)
		return err
	})
	if errors.Is(err, errMissingStub) {
		for i := range a.Attachments {
			a.Attachments[i].Stub = false
		}
		err = j.retry(l.ctx, j.target, func() (err error) {
			refused, err = j.target.StoreAttached(l.ctx, a, open)
			return err
		})
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
