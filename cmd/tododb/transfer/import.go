package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store/jsonscan"
)

// Bounds of one request. The documents of a batch are in memory.
const (
	batchBytes = 4 << 20
	batchDocs  = 1000
)

// Import writes documents to a database.
//
// A document with a revision is written as that revision, as a replication does, so it is there
// once however often it comes. One without is a new edit: if the document is there already, with the same
// content, nothing happens. One without an id gets one that follows from its place and content.
type Import struct {
	Server   *client.Server
	Database string

	Update          bool // replace documents that are there with other content
	DropRevisions   bool // take documents with a revision as new edits too
	DropAttachments bool // leave attachments out
	Failed          func(at string, err error)
	Progress        func(Counts)
	patience        time.Duration // how long a server may be unwell; a minute
	batch           []prepared
	size            int
	replicated      bool // what the batch is
	counts          Counts
}

// Counts are what has become of the documents so far.
type Counts struct {
	Written   int64 // new, or new revisions
	Unchanged int64 // there already
	Failed    int64
}

// prepared is a document as it is sent.
type prepared struct {
	at, id, rev string
	doc         []byte
	attachments bool
}

// Run writes all documents of a reader. Documents that are no documents, or that the server refuses,
// are told to Failed, and do not stop the others. The error is that of the reader, or says that
// the server cannot go on; what was written stays.
func (im *Import) Run(ctx context.Context, r Reader) (Counts, error) {
	for {
		item, err := r.Next()
		if bad, is := errors.AsType[*BadItem](err); is {
			im.fail(bad.At, bad.Err)
			continue
		}
		if err == io.EOF {
			return im.counts, im.flush(ctx)
		}
		if err != nil {
			return im.counts, errors.Join(im.flush(ctx), err)
		}
		p, err := im.prepare(&item)
		if err != nil {
			im.fail(item.At, err)
			continue
		}
		replicated := p.rev != ""
		if len(im.batch) > 0 && (im.replicated != replicated || im.size+len(p.doc) > batchBytes || len(im.batch) == batchDocs) {
			if err := im.flush(ctx); err != nil {
				return im.counts, err
			}
		}
		im.replicated, im.size, im.batch = replicated, im.size+len(p.doc), append(im.batch, p)
	}
}

func (im *Import) fail(at string, err error) {
	im.counts.Failed++
	im.Failed(at, err)
}

var errStub = errors.New("it has attachments that are not in the file; they can be left out (--without-attachments)")

// prepare looks at the special members of a document.
func (im *Import) prepare(item *Item) (p prepared, err error) {
	p.at = item.At
	out := []byte{'{'}
	// Without its attachments it is another document, which must not have the same revision.
	drop := im.DropRevisions || im.DropAttachments && hasAttachments(item.Doc)
	err = jsonscan.EachMember(item.Doc, func(name, value []byte) error {
		switch string(name) {
		case "_id":
			if p.id, err = jsonscan.Text(value); err != nil || jsonscan.Kind(value) != '"' {
				return errors.New("its _id is no text")
			}
		case "_rev":
			if drop {
				return nil
			}
			if p.rev, err = jsonscan.Text(value); err != nil {
				return errors.New("its _rev is no text")
			}
		case "_revisions", "_conflicts", "_deleted_conflicts", "_revs_info", "_local_seq":
			if drop || string(name) != "_revisions" {
				return nil
			}
		case "_attachments":
			if im.DropAttachments {
				return nil
			}
			p.attachments = true
			if value, err = mendAttachments(value); err != nil {
				return err
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(jsonscan.AppendString(out, name), ':'), value...)
		return nil
	})
	if err != nil {
		return p, err
	}
	p.doc = append(out, '}')
	if p.id == "" {
		p.id = madeID(item)
		head := append(jsonscan.AppendString([]byte(`{"_id":`), p.id), ',')
		if len(p.doc) == 2 {
			head = head[:len(head)-1]
		}
		p.doc = append(head, p.doc[1:]...)
	}
	return p, nil
}

func hasAttachments(doc []byte) (has bool) {
	jsonscan.EachMember(doc, func(name, value []byte) error {
		has = has || string(name) == "_attachments" && string(value) != "{}"
		return nil
	})
	return has
}

// madeID is the id of a document without one. It is the same when the same file comes again.
func madeID(item *Item) string {
	sum := sha256.Sum256(strconv.AppendInt(bytes.Clone(item.Doc), item.N, 10))
	return hex.EncodeToString(sum[:16])
}

// mendAttachments refuses attachments without content. couchbackup writes their type under another
// name than CouchDB does.
func mendAttachments(list []byte) ([]byte, error) {
	if jsonscan.Kind(list) != '{' {
		return list, nil // the server says what is wrong
	}
	out := []byte{'{'}
	err := jsonscan.EachMember(list, func(name, one []byte) error {
		mended, err := mendAttachment(one)
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(jsonscan.AppendString(out, name), ':'), mended...)
		return err
	})
	return append(out, '}'), err
}

func mendAttachment(one []byte) ([]byte, error) {
	if jsonscan.Kind(one) != '{' {
		return one, nil
	}
	out := []byte{'{'}
	err := jsonscan.EachMember(one, func(name, value []byte) error {
		switch string(name) {
		case "stub", "follows":
			if jsonscan.Kind(value) == 't' {
				return errStub
			}
		case "contentType":
			name = []byte("content_type")
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(jsonscan.AppendString(out, name), ':'), value...)
		return nil
	})
	return append(out, '}'), err
}

// flush writes the batch.
func (im *Import) flush(ctx context.Context) error {
	if len(im.batch) == 0 {
		return nil
	}
	batch, err := im.batch, error(nil)
	if im.replicated {
		batch, err = im.missing(ctx, batch)
	}
	if err == nil && len(batch) > 0 {
		err = im.write(ctx, batch)
	}
	im.batch, im.size = im.batch[:0], 0
	if im.Progress != nil {
		im.Progress(im.counts)
	}
	return err
}

// outcome is a row of the answer to _bulk_docs.
type outcome struct {
	ID, Error, Reason string
}

// write writes documents. If the server refuses them all together, it writes halves, until those stand
// alone that are to blame.
func (im *Import) write(ctx context.Context, batch []prepared) error {
	rows, err := im.send(ctx, batch)
	if err != nil {
		refused, is := errors.AsType[*client.Refused](err)
		if !is || !blamesDocuments(refused.Status) {
			return err
		}
		if len(batch) == 1 {
			im.fail(batch[0].at, fmt.Errorf("%s: %s", batch[0].id, refused.Reason))
			return nil
		}
		half := len(batch) / 2
		if err := im.write(ctx, batch[:half]); err != nil {
			return err
		}
		return im.write(ctx, batch[half:])
	}
	if batch[0].rev != "" {
		im.tellRefused(batch, rows)
		return nil
	}
	var conflicts []prepared
	for i, row := range rows {
		switch {
		case row.Error == "":
			im.counts.Written++
		case row.Error == "conflict":
			conflicts = append(conflicts, batch[i])
		default:
			im.fail(batch[i].at, fmt.Errorf("%s: %s", row.ID, row.Reason))
		}
	}
	return im.settle(ctx, conflicts)
}

// blamesDocuments tells whether an answer may be about some of the documents.
func blamesDocuments(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return true
	}
	return false
}

// missing leaves out the revisions that the database has.
func (im *Import) missing(ctx context.Context, batch []prepared) ([]prepared, error) {
	asked := map[string][]string{}
	for _, p := range batch {
		asked[p.id] = append(asked[p.id], p.rev)
	}
	var answer map[string]struct{ Missing []string }
	if err := im.Server.Ask(ctx, client.Request{Method: "POST", Path: []string{im.Database, "_revs_diff"}, JSON: asked}, &answer); err != nil {
		if refused, is := errors.AsType[*client.Refused](err); is && blamesDocuments(refused.Status) {
			return batch, nil // the answer to the documents says which
		}
		return nil, err
	}
	var left []prepared
	for _, p := range batch {
		if slices.Contains(answer[p.id].Missing, p.rev) {
			left = append(left, p)
		} else {
			im.counts.Unchanged++
		}
	}
	return left, nil
}

// tellRefused reads the answer to replicated changes, which names only those that are refused.
func (im *Import) tellRefused(batch []prepared, rows []outcome) {
	refused := map[string]outcome{}
	for _, row := range rows {
		if row.Error != "" {
			refused[row.ID] = row
		}
	}
	for _, p := range batch {
		if row, is := refused[p.id]; is {
			im.fail(p.at, fmt.Errorf("%s: %s", p.id, row.Reason))
		} else {
			im.counts.Written++
		}
	}
}

// send asks the server to write, and again while it is unwell.
func (im *Import) send(ctx context.Context, batch []prepared) ([]outcome, error) {
	var body bytes.Buffer
	body.WriteString(`{"docs":[`)
	for i, p := range batch {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(p.doc)
	}
	body.WriteByte(']')
	if batch[0].rev != "" {
		body.WriteString(`,"new_edits":false`)
	}
	body.WriteByte('}')
	patience := im.patience
	if patience == 0 {
		patience = time.Minute
	}
	return backoff.Retry(ctx, func() ([]outcome, error) {
		var rows []outcome
		err := im.Server.Ask(ctx, client.Request{Method: "POST", Path: []string{im.Database, "_bulk_docs"}, Body: bytes.NewReader(body.Bytes())}, &rows)
		if refused, is := errors.AsType[*client.Refused](err); is && refused.Status != http.StatusTooManyRequests && refused.Status < 500 {
			return nil, backoff.Permanent(err)
		}
		if err == nil && batch[0].rev == "" && len(rows) != len(batch) {
			return nil, backoff.Permanent(fmt.Errorf("the server told about %d of %d documents", len(rows), len(batch)))
		}
		return rows, err
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(patience))
}

// settle looks at documents that are there already.
func (im *Import) settle(ctx context.Context, batch []prepared) error {
	if len(batch) == 0 {
		return nil
	}
	var keys []string
	query := map[string][]string{"include_docs": {"true"}}
	for _, p := range batch {
		keys = append(keys, p.id)
		if p.attachments {
			query["attachments"] = []string{"true"}
		}
	}
	var answer struct {
		Rows []struct{ Doc json.RawMessage }
	}
	err := im.Server.Ask(ctx, client.Request{Method: "POST", Path: []string{im.Database, "_all_docs"}, Query: query, JSON: map[string]any{"keys": keys}}, &answer)
	if err == nil && len(answer.Rows) != len(batch) {
		err = fmt.Errorf("the server told about %d of %d documents", len(answer.Rows), len(batch))
	}
	if err != nil {
		return err
	}
	for i, p := range batch {
		there := answer.Rows[i].Doc
		same, err := sameContent(p.doc, there)
		switch {
		case err != nil || !same && !im.Update:
			im.fail(p.at, fmt.Errorf("%s: the document is there with other content; it can be replaced (--update)", p.id))
		case same:
			im.counts.Unchanged++
		default:
			if err := im.replace(ctx, p, there); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace writes a new revision of a document that is there.
func (im *Import) replace(ctx context.Context, p prepared, there []byte) error {
	var now struct {
		Rev string `json:"_rev"`
	}
	if err := json.Unmarshal(there, &now); err != nil {
		return err
	}
	p.doc = append(append(jsonscan.AppendString([]byte(`{"_rev":`), now.Rev), ','), p.doc[1:]...)
	rows, err := im.send(ctx, []prepared{p})
	if refused, is := errors.AsType[*client.Refused](err); is && blamesDocuments(refused.Status) {
		im.fail(p.at, fmt.Errorf("%s: %s", p.id, refused.Reason))
		return nil
	}
	if err != nil {
		return err
	}
	if rows[0].Error != "" {
		im.fail(p.at, fmt.Errorf("%s: %s", p.id, rows[0].Reason))
		return nil
	}
	im.counts.Written++
	return nil
}
