package document

import (
	"io"

	"github.com/tododb/tododb/store/jsonscan"
)

// ScanBulk reads a _bulk_docs request as ParseBulk does, without keeping its documents. It
// calls check with each; the document is valid during the call. The BulkReader reads the
// documents again, so src must not change while it is in use.
func ScanBulk(src []byte, opt Options, check func(b *Bulk, d *Doc) error) (Bulk, *BulkReader, error) {
	var b Bulk
	r := &BulkReader{src: src, opt: opt}
	p := newParser(nil, opt)
	defer p.release()
	p.src = src
	err := walkBulk(src, &b, func(i int) (int, error) {
		r.at, r.Count = i, 0
		return p.eachDoc(i, opt, func(d *Doc) error {
			p.body = p.body[:0]
			r.Count++
			return check(&b, d)
		})
	})
	r.at = jsonscan.Space(src, min(r.at+1, len(src)))
	return b, r, err
}

// BulkReader reads the documents of a _bulk_docs request, some at a time.
type BulkReader struct {
	Count int // how many there are

	src []byte
	opt Options
	at  int // of the next one, or of the end of their list
}

// Next returns the next documents, at most docs of them, and no more once they reach the given
// bytes, for which everything counts that is kept of them: ids may be longer than bodies. At the end
// it returns io.EOF. All have been checked.
func (r *BulkReader) Next(docs, bytes int) (some []Doc, err error) {
	p := newParser(r.src, Options{Expect: min(bytes, len(r.src)-r.at)})
	defer p.release()
	beside := 0 // the bodies
	for len(some) < docs && len(p.body)+beside < bytes && r.src[r.at] != ']' {
		d, end, err := p.document(r.at, r.opt)
		if err != nil {
			return nil, err
		}
		some = append(some, d)
		beside += d.besideBody()
		if r.at = jsonscan.Space(r.src, end); r.src[r.at] == ',' {
			r.at = jsonscan.Space(r.src, r.at+1)
		}
	}
	if len(some) == 0 {
		return nil, io.EOF
	}
	return some, nil
}

// besideBody is how many bytes a document keeps beside its body; the bytes of attachments are not kept.
func (d *Doc) besideBody() int {
	n := len(d.ID) + len(d.Rev.ID)
	for i := range d.Path {
		n += len(d.Path[i].ID)
	}
	for i := range d.Attachments {
		n += len(d.Attachments[i].Name) + len(d.Attachments[i].Type)
	}
	return n
}
