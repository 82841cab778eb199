package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// defaultType is the type of an attachment that comes without one.
const defaultType = "application/octet-stream"

// sentAttachment is an attachment as a document's JSON tells of it.
type sentAttachment struct {
	name, kind string
	data       []byte // base64, without quotes; nil if there is none
	stub       bool
	follows    bool  // its bytes are a part of the request
	length     int64 // of what follows, unpacked; -1 if it is not said
	encoded    int64 // encoded_length; -1 if it is not said
	encoding   string
	revpos     uint64
	hasRevpos  bool
	digest     string
}

// parseSent reads _attachments. Of repeated names the last counts.
func parseSent(raw []byte) (sent []sentAttachment, err error) {
	if raw == nil {
		return nil, nil
	}
	err = jsonscan.EachMember(raw, func(name, value []byte) error {
		if jsonscan.Kind(value) != '{' {
			return nil // CouchDB drops it in silence
		}
		a, err := parseOneSent(string(name), value)
		if err != nil {
			return err
		}
		for i := range sent {
			if sent[i].name == a.name {
				sent = append(sent[:i], sent[i+1:]...)
				break
			}
		}
		sent = append(sent, a)
		return nil
	})
	return sent, err
}

func parseOneSent(name string, value []byte) (sentAttachment, error) {
	a := sentAttachment{name: name, kind: defaultType, length: -1, encoded: -1}
	if err := checkAttachmentName(name); err != nil {
		return a, err
	}
	bad := badRequest("Invalid attachment data for %s", name)
	err := jsonscan.EachMember(value, func(member, v []byte) error {
		switch string(member) {
		case "content_type":
			if text, err := jsonscan.Text(v); err == nil {
				a.kind = text
			}
		case "data":
			text, err := jsonscan.Text(v)
			if err != nil {
				return bad
			}
			a.data = []byte(text)
		case "stub":
			a.stub = string(v) == "true"
		case "follows":
			a.follows = string(v) == "true"
		case "length":
			a.length = number(v)
		case "encoded_length":
			a.encoded = number(v)
		case "encoding":
			a.encoding, _ = jsonscan.Text(v)
		case "digest":
			a.digest, _ = jsonscan.Text(v)
		case "revpos":
			if n := number(v); n >= 0 {
				a.revpos, a.hasRevpos = uint64(n), true
			}
		}
		return nil
	})
	if err != nil {
		return a, err
	}
	if a.stub || a.follows {
		return a, nil
	}
	if a.data == nil {
		return a, bad
	}
	if _, err := io.Copy(io.Discard, a.decoded()); err != nil {
		return a, bad
	}
	return a, nil
}

// decoded reads the bytes of inline data. White space in base64 is passed over.
func (a *sentAttachment) decoded() io.Reader {
	clean := a.data
	if bytes.ContainsAny(clean, " \t\r\n") {
		clean = bytes.Map(func(r rune) rune {
			if strings.ContainsRune(" \t\r\n", r) {
				return -1
			}
			return r
		}, clean)
	}
	return base64.NewDecoder(base64.StdEncoding.Strict(), bytes.NewReader(clean))
}

func number(raw []byte) int64 {
	n := int64(0)
	if len(raw) == 0 || len(raw) > 18 {
		return -1
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

func checkAttachmentName(name string) error {
	switch {
	case !utf8.ValidString(name):
		return badRequest("Attachment name is not UTF-8 encoded")
	case strings.HasPrefix(name, "_"):
		return badRequest("Attachment name '%s' starts with prohibited character '_'", name)
	}
	return nil
}

// stageSent stores the bytes of inline attachments and gives all of them the form of an
// edit; part, if not nil, stores those that follow.
func (s *Server) stageSent(ctx context.Context, db *store.DB, sent []sentAttachment, part func(a *sentAttachment) (store.Staged, error)) ([]store.EditAttachment, error) {
	var out []store.EditAttachment
	for i := range sent {
		a := &sent[i]
		e := store.EditAttachment{Name: a.name, Type: a.kind, RevPos: a.revpos, HasRevPos: a.hasRevpos}
		switch {
		case a.stub:
			e.Digest, e.HasDigest = store.ParseDigest(a.digest)
		case a.follows && part == nil:
			return nil, badRequest("Attachment %s follows, but the request is not multipart/related", a.name)
		default:
			var staged store.Staged
			var err error
			if a.follows {
				staged, err = part(a)
				if a.encoding == "gzip" {
					e.Encoding, e.DecodedLength = a.encoding, max(a.length, 0)
				}
			} else {
				staged, err = db.StageAttachment(ctx, a.decoded(), s.set.Load().maxAttachmentSize)
			}
			if err != nil {
				return nil, err
			}
			e.Staged = &staged
		}
		out = append(out, e)
	}
	return out, nil
}

// editOf gives a document the form of an edit, with its inline attachments stored.
func (s *Server) editOf(ctx context.Context, db *store.DB, doc document.Doc) (store.Edit, error) {
	if strings.HasPrefix(doc.ID, "_local/") {
		doc.Attachments = nil // they vanish, as in CouchDB
	}
	sent, err := parseSent(doc.Attachments)
	if err != nil {
		return store.Edit{}, err
	}
	atts, err := s.stageSent(ctx, db, sent, nil)
	return store.Edit{Doc: doc, Attachments: atts}, err
}

// editsOf does the same for many documents. All of them are checked before the bytes of
// the first are stored.
func (s *Server) editsOf(ctx context.Context, db *store.DB, docs []document.Doc) ([]store.Edit, error) {
	edits := make([]store.Edit, len(docs))
	for i := range docs {
		if docs[i].Attachments == nil || strings.HasPrefix(docs[i].ID, "_local/") {
			continue
		}
		if _, err := parseSent(docs[i].Attachments); err != nil {
			return nil, err
		}
	}
	for i := range docs {
		var err error
		if edits[i], err = s.editOf(ctx, db, docs[i]); err != nil {
			return nil, err
		}
	}
	return edits, nil
}
