package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup/repository"
)

// Standing asks how a document stands.
func (s *Server) Standing(ctx context.Context, database, id string) (now repository.Standing, err error) {
	var answer struct {
		Rows []struct {
			Value struct {
				Rev     string
				Deleted bool
			}
		}
	}
	err = s.ask(ctx, message{method: "POST", path: path(database) + "/_all_docs", json: map[string][]string{"keys": {id}}}, &answer)
	if err != nil {
		return now, err
	}
	if len(answer.Rows) != 1 {
		return now, fmt.Errorf("%s tells nothing of document %q", s, id)
	}
	v := answer.Rows[0].Value
	return repository.Standing{Rev: v.Rev, Deleted: v.Deleted}, nil
}

// PutLeaf writes a leaf of a document.
func (s *Server) PutLeaf(ctx context.Context, w repository.Writing) error {
	leaf, query := w.Leaf, url.Values{}
	head := map[string]any{"_id": w.ID}
	switch {
	case w.Edit && w.Rev != "":
		head["_rev"] = w.Rev
	case !w.Edit:
		query.Set("new_edits", "false")
		head["_rev"] = leaf.Path[0].String()
		head["_revisions"] = revisions(leaf.Path)
	}
	if leaf.Deleted {
		head["_deleted"] = true
	}
	if len(leaf.Attachments) > 0 {
		list := map[string]any{}
		for _, a := range leaf.Attachments {
			one := map[string]any{"follows": true, "content_type": a.Type, "revpos": a.RevPos, "length": a.Length, "digest": "md5-" + strings.TrimPrefix(a.Digest.String(), "md5-")}
			if a.Encoding != "" {
				one["encoding"], one["encoded_length"], one["length"] = a.Encoding, a.Length, a.DecodedLength
			}
			list[a.Name] = one
		}
		head["_attachments"] = list
	}
	body, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if members := strings.TrimSpace(string(leaf.JSON)); members != "{}" {
		body = append(append(body[:len(body)-1], ','), members[1:]...)
	}
	q := message{method: http.MethodPut, path: path(w.Database) + docPath(w.ID), query: query}
	if len(leaf.Attachments) == 0 {
		q.body = bytes.NewReader(body)
		return s.put(ctx, q)
	}
	out, in := io.Pipe()
	parts := multipart.NewWriter(in)
	written := make(chan error, 1)
	go func() { // ends with the request, which closes out
		err := related(ctx, parts, body, &w)
		in.CloseWithError(err)
		written <- err
	}()
	q.body, q.kind = out, `multipart/related; boundary="`+parts.Boundary()+`"`
	err = s.put(ctx, q)
	out.CloseWithError(io.ErrClosedPipe)
	if writing := <-written; writing != nil && !errors.Is(writing, io.ErrClosedPipe) {
		return writing
	}
	return err
}

func revisions(path []revtree.Rev) map[string]any {
	var ids []string
	for _, r := range path {
		ids = append(ids, r.ID)
	}
	return map[string]any{"start": path[0].Gen, "ids": ids}
}

// related writes a document and its attachments.
func related(ctx context.Context, m *multipart.Writer, body []byte, l *repository.Writing) error {
	w, err := m.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json"}})
	if err == nil {
		_, err = w.Write(body)
	}
	// In the order of the JSON's members, which are sorted.
	atts := slices.SortedFunc(slices.Values(l.Leaf.Attachments), func(a, b store.Attachment) int { return strings.Compare(a.Name, b.Name) })
	for i := 0; i < len(atts) && err == nil; i++ {
		a := &atts[i]
		name := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(store.InHead(a.Name))
		header := textproto.MIMEHeader{"Content-Type": {store.InHead(a.Type)}, "Content-Disposition": {`attachment; filename="` + name + `"`}, "Content-Length": {fmt.Sprint(a.Length)}}
		if a.Encoding != "" {
			header.Set("Content-Encoding", store.InHead(a.Encoding))
		}
		if w, err = m.CreatePart(header); err == nil {
			err = l.Content(ctx, a.Digest, w)
		}
	}
	return errors.Join(err, m.Close())
}

func docPath(id string) string {
	for _, prefix := range []string{"_design/", "_local/"} {
		if name, is := strings.CutPrefix(id, prefix); is {
			return "/" + prefix + escaped(name)
		}
	}
	return path(id)
}

// put sends a document.
func (s *Server) put(ctx context.Context, m message) error {
	a, err := s.send(ctx, m)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, a.Body)
	return errors.Join(err, a.Body.Close())
}
