package replicate

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tododb/tododb/store"
)

// OpenAttachment reads an attachment as the peer has it stored.
func (p *remotePeer) OpenAttachment(ctx context.Context, r *Revision, att *Attachment) (io.ReadCloser, error) {
	// Package http does not decompress gzip that was requested by name.
	header := http.Header{"Accept-Encoding": {"gzip"}, "Accept": {"*/*"}}
	path := attachmentPath(r.Doc.ID, att.Name)
	resp, err := p.send(ctx, sending{method: http.MethodGet, path: path, query: url.Values{"rev": {r.Doc.Rev.String()}}, header: header})
	if err != nil {
		return nil, p.judgeURL(ctx, path, err)
	}
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return packed{resp.Body}, nil
	}
	return resp.Body, nil
}

// packed has the bytes of an attachment as gzip. They are stored that way, or something on the
// way has compressed them.
type packed struct{ io.ReadCloser }

// unpacked returns the bytes of an attachment that is not stored compressed.
func unpacked(in io.ReadCloser) (io.ReadCloser, error) {
	p, is := in.(packed)
	if !is {
		return in, nil
	}
	plain, err := gzip.NewReader(p)
	if err != nil {
		p.Close()
		return nil, malformed(err)
	}
	return struct {
		io.Reader
		io.Closer
	}{plain, p}, nil
}

// StoreAttached sends a document and the bytes of its attachments as one
// multipart/related message, part by part as they come from the source. If no bytes follow,
// it sends plain JSON: CouchDB 3.5 never answers a message with only one part.
func (p *remotePeer) StoreAttached(ctx context.Context, r *Revision, open opener) (*Refusal, error) {
	raw := make([]byte, 16)
	rand.Read(raw)
	m := relatedMessage{r: r, boundary: hex.EncodeToString(raw), head: r.json()}
	query := url.Values{"new_edits": {"false"}}
	var resp *http.Response
	var err error
	if r.bare() {
		resp, err = p.request(ctx, http.MethodPut, docPath(r.Doc.ID), query, m.head)
	} else {
		resp, err = p.sendRelated(ctx, &m, query, open)
	}
	if err == nil {
		return nil, taken(resp)
	}
	if m.failed != nil { // the source's fault, not the target's
		return nil, m.failed
	}
	err = p.judgeURL(ctx, docPath(r.Doc.ID), err)
	s, ok := errors.AsType[*StatusError](err)
	_, long := errors.AsType[*longURL](err)
	switch {
	case !ok || long:
		return nil, err
	case s.Status == http.StatusPreconditionFailed && s.Word == "missing_stub":
		return nil, errMissingStub
	case s.Status == http.StatusForbidden, s.Status == http.StatusUnauthorized:
		// Either a validation function refused this document, or the user has lost all rights
		// at the peer.
		if _, barred := p.Info(ctx); barred != nil {
			return nil, barred
		}
	case !dividable(s.Status):
		return nil, err
	default:
		if e := p.takesWrites(ctx, err); e != nil {
			return nil, e
		}
	}
	return &Refusal{ID: r.Doc.ID, Reason: s.Error()}, nil
}

// sendRelated sends a document and the attachments that are not stubs.
func (p *remotePeer) sendRelated(ctx context.Context, m *relatedMessage, query url.Values, open opener) (*http.Response, error) {
	body, feed := io.Pipe()
	fed := make(chan struct{})
	go func() { // ends with the request: it closes body
		defer close(fed)
		feed.CloseWithError(m.write(ctx, feed, open))
	}()
	header := http.Header{"Accept": {"application/json"}, "Content-Type": {`multipart/related; boundary="` + m.boundary + `"`}}
	resp, err := p.send(ctx, sending{method: http.MethodPut, path: docPath(m.r.Doc.ID), query: query, header: header, body: body, size: m.size()})
	body.CloseWithError(errors.New("the target has already answered"))
	<-fed
	return resp, err
}

// taken makes sure that a database answered a write. If something on the way answers every
// request with a page, nothing has been stored.
func taken(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	err = errors.Join(err, resp.Body.Close())
	var said struct{ OK bool }
	if err == nil && (json.Unmarshal(text, &said) != nil || !said.OK) {
		err = errNoDatabase
	}
	return malformed(err)
}

// relatedMessage is a document with attachments on its way.
type relatedMessage struct {
	r        *Revision
	boundary string
	head     []byte // the document's JSON
	failed   error  // why reading from the source failed
}

func (m *relatedMessage) first() string {
	return "--" + m.boundary + "\r\nContent-Type: application/json\r\n\r\n"
}

func (m *relatedMessage) between(att *Attachment) string {
	var b strings.Builder
	name := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(store.InHead(att.Name))
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Disposition: attachment; filename=\"%s\"\r\nContent-Type: %s\r\nContent-Length: %d\r\n", m.boundary, name, store.InHead(att.Type), att.Length)
	if att.Encoding != "" {
		fmt.Fprintf(&b, "Content-Encoding: %s\r\n", store.InHead(att.Encoding))
	}
	return b.String() + "\r\n"
}

func (m *relatedMessage) last() string { return "\r\n--" + m.boundary + "--" }

// size returns the length of the whole message. CouchDB wants to know it in advance.
func (m *relatedMessage) size() int64 {
	n := int64(len(m.first()) + len(m.head) + len(m.last()))
	for i := range m.r.Attachments {
		if att := &m.r.Attachments[i]; !att.Stub {
			n += int64(len(m.between(att))) + att.Length
		}
	}
	return n
}

func (m *relatedMessage) write(ctx context.Context, w io.Writer, open opener) error {
	if _, err := io.WriteString(w, m.first()+string(m.head)); err != nil {
		return err
	}
	for i := range m.r.Attachments {
		att := &m.r.Attachments[i]
		if att.Stub {
			continue
		}
		if _, err := io.WriteString(w, m.between(att)); err != nil {
			return err
		}
		if err := m.copy(ctx, w, att, open); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, m.last())
	return err
}

// copy sends the bytes of one attachment. If the source sends more or fewer than it
// announced, the message is spoilt.
func (m *relatedMessage) copy(ctx context.Context, w io.Writer, att *Attachment, open opener) error {
	in, err := open(ctx, att)
	if err != nil {
		m.failed = err
		return err
	}
	defer in.Close()
	out := &countedWriter{w: w}
	_, err = io.Copy(out, in)
	if err != nil && out.err == nil {
		m.failed = fmt.Errorf("attachment %s: %w", att.Name, err)
	}
	if err == nil && out.n != att.Length {
		err = fmt.Errorf("attachment %s has %d bytes instead of the announced %d: %w", att.Name, out.n, att.Length, io.ErrUnexpectedEOF)
		m.failed = err
	}
	return err
}

// countedWriter tells an error of writing apart from one of reading.
type countedWriter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *countedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = err
	return n, err
}
