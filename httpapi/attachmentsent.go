package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"slices"
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
	data       []byte // base64 as a JSON string; nil if there is none
	gone       bool   // another one of its name has come
	stub       bool
	follows    bool  // its bytes are a part of the request
	size       int64 // of data, decoded
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
	at, twice := map[string]int{}, false
	err = jsonscan.EachMember(raw, func(name, value []byte) error {
		if jsonscan.Kind(value) != '{' {
			return nil // CouchDB drops it in silence
		}
		a, err := parseOneSent(string(name), value)
		if before, there := at[a.name]; there {
			sent[before].gone, twice = true, true
		}
		at[a.name] = len(sent)
		sent = append(sent, a)
		return err
	})
	if twice {
		sent = slices.DeleteFunc(sent, func(a sentAttachment) bool { return a.gone })
	}
	return sent, err
}

func parseOneSent(name string, value []byte) (sentAttachment, error) {
	a := sentAttachment{name: name, kind: defaultType, length: -1, encoded: -1}
	if err := checkAttachmentName(name); err != nil {
		return a, err
	}
	bad, badLength := badRequest("Invalid attachment data for %s", name), false
	err := jsonscan.EachMember(value, func(member, v []byte) error {
		switch string(member) {
		case "content_type":
			if text, err := jsonscan.Text(v); err == nil {
				a.kind = text
			}
		case "data":
			if jsonscan.Kind(v) != '"' {
				return bad
			}
			a.data = v
		case "stub":
			a.stub = string(v) == "true"
		case "follows":
			a.follows = string(v) == "true"
		case "length":
			a.length = number(v)
			badLength = badLength || a.length < 0
		case "encoded_length":
			a.encoded = number(v)
			badLength = badLength || a.encoded < 0
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
	if a.follows && badLength {
		return a, badRequest("The length of attachment %s is none", name)
	}
	if a.stub || a.follows {
		return a, nil
	}
	if a.data == nil {
		return a, bad
	}
	if a.size, err = io.Copy(io.Discard, a.decoded()); err != nil {
		return a, bad
	}
	return a, nil
}

// decoded reads the bytes of inline data, which are never all in memory. White space in
// base64 is passed over.
func (a *sentAttachment) decoded() io.Reader {
	return base64.NewDecoder(base64.StdEncoding.Strict(), &base64Text{rest: a.data[1 : len(a.data)-1]})
}

// base64Text reads the inside of a checked JSON string without its white space.
type base64Text struct{ rest, unescaped []byte }

func (t *base64Text) Read(p []byte) (n int, err error) {
	for n < len(p) && len(t.rest)+len(t.unescaped) > 0 {
		c := byte(0)
		switch {
		case len(t.unescaped) > 0:
			c, t.unescaped = t.unescaped[0], t.unescaped[1:]
		case t.rest[0] == '\\':
			size := 2
			if t.rest[1] == 'u' { // what is written so in two halves is no base64 anyway
				size = 6
			}
			t.unescaped, err = jsonscan.AppendEscape(t.unescaped[:0], t.rest)
			if err != nil {
				return n, err
			}
			t.rest = t.rest[size:]
			continue
		default:
			c, t.rest = t.rest[0], t.rest[1:]
			if c > ' ' {
				plain := bytes.IndexAny(t.rest[:min(len(t.rest), len(p)-n-1)], "\\ \t\r\n")
				if plain < 0 {
					plain = min(len(t.rest), len(p)-n-1)
				}
				p[n] = c
				n += 1 + copy(p[n+1:], t.rest[:plain])
				t.rest = t.rest[plain:]
				continue
			}
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			p[n] = c
			n++
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
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

// maxStagedInMemory is how many bytes of small attachments of a request wait in memory for
// their documents to be written.
const maxStagedInMemory = 1 << 20

// checkInline refuses what cannot be stored of a request that has no parts.
func (s *Server) checkInline(a *sentAttachment) error {
	if a.follows && !a.stub {
		return badRequest("Attachment %s follows, but the request is not multipart/related", a.name)
	}
	if limit := s.set.Load().maxAttachmentSize; limit > 0 && a.size > limit {
		return store.ErrAttachmentTooLarge
	}
	return nil
}

// edit gives an attachment the form of an edit, without its bytes.
func (a *sentAttachment) edit() store.EditAttachment {
	e := store.EditAttachment{Name: a.name, Type: a.kind, RevPos: a.revpos, HasRevPos: a.hasRevpos}
	if a.stub {
		e.Digest, e.HasDigest = store.ParseDigest(a.digest)
	}
	return e
}

// stageSent stores the bytes of inline attachments and gives all of them the form of an
// edit; part, if not nil, stores those that follow. inMemory counts the bytes that wait.
func (s *Server) stageSent(ctx context.Context, db *store.DB, sent []sentAttachment, inMemory *int, part func(a *sentAttachment) (store.Staged, error)) ([]store.EditAttachment, error) {
	var out []store.EditAttachment
	for i := range sent {
		a := &sent[i]
		e := a.edit()
		switch {
		case a.stub:
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
				staged, err = db.StageAttachment(ctx, a.decoded(), store.StageOptions{Limit: s.set.Load().maxAttachmentSize, Store: *inMemory > maxStagedInMemory})
			}
			if err != nil {
				return nil, err
			}
			*inMemory += staged.InMemory()
			e.Staged = &staged
		}
		out = append(out, e)
	}
	return out, nil
}

// editOf gives a document the form of an edit, with its inline attachments stored.
func (s *Server) editOf(ctx context.Context, db *store.DB, doc document.Doc) (store.Edit, error) {
	inMemory := 0
	return s.nextEdit(ctx, db, doc, &inMemory)
}

func (s *Server) nextEdit(ctx context.Context, db *store.DB, doc document.Doc, inMemory *int) (store.Edit, error) {
	if strings.HasPrefix(doc.ID, "_local/") {
		doc.Attachments = nil // they vanish, as in CouchDB
	}
	sent, err := parseSent(doc.Attachments)
	if err != nil {
		return store.Edit{}, err
	}
	atts, err := s.stageSent(ctx, db, sent, inMemory, nil)
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
	inMemory := 0
	for i := range docs {
		var err error
		if edits[i], err = s.nextEdit(ctx, db, docs[i], &inMemory); err != nil {
			return nil, err
		}
	}
	return edits, nil
}
