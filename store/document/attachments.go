package document

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tododb/tododb/store/jsonscan"
)

// DefaultType is the type of an attachment that comes without one.
const DefaultType = "application/octet-stream"

// Attachment is an attachment as a document's JSON describes it: a stub, inline base64, or an
// announcement of bytes that follow the JSON.
type Attachment struct {
	Name, Type string
	Stub       bool  // its bytes are here already
	Follows    bool  // its bytes are a part of the request
	Size       int64 // of the inline bytes, decoded
	// Length and Encoded are the announced sizes, unpacked and with Encoding; -1 if not given.
	Length, Encoded int64
	Encoding        string
	RevPos          uint64
	HasRevPos       bool
	Digest          string // as CouchDB writes it

	data      []byte // a JSON string of base64; nil if there is none
	badData   bool   // data was not a string
	badLength bool   // a length was not a number
}

// ValidAttachmentName checks that an attachment may have this name; if not, the error is an
// *Error.
func ValidAttachmentName(name string) error {
	switch {
	case !utf8.ValidString(name):
		return &Error{BadRequest, "Attachment name is not UTF-8 encoded"}
	case strings.HasPrefix(name, "_"):
		return &Error{BadRequest, fmt.Sprintf("Attachment name '%s' starts with prohibited character '_'", name)}
	}
	return nil
}

// attachments reads the object _attachments at i. Faults of an attachment are kept for
// CheckAttachments; only broken JSON is an error here.
func (p *parser) attachments(d *Doc, i int) (int, error) {
	d.Attachments, d.attErr = nil, nil
	end, err := jsonscan.Members(p.src, i, func(name []byte, at int) (int, error) {
		if d.attErr != nil || at >= len(p.src) || p.src[at] != '{' {
			return jsonscan.Skip(p.src, at) // CouchDB silently drops anything but an object
		}
		a := Attachment{Name: string(name), Type: DefaultType, Length: -1, Encoded: -1}
		end, err := a.read(p.src, at)
		if err != nil {
			return at, err
		}
		if d.attErr = a.check(); d.attErr == nil {
			d.Attachments = append(d.Attachments, a)
		}
		return end, nil
	})
	if err != nil {
		return i, errSyntax
	}
	d.Attachments = lastOfName(d.Attachments)
	return end, nil
}

// lastOfName drops each attachment that a later one of the same name replaces.
func lastOfName(atts []Attachment) []Attachment {
	if len(atts) < 2 {
		return atts
	}
	last := make(map[string]int, len(atts))
	for i := range atts {
		last[atts[i].Name] = i
	}
	if len(last) == len(atts) {
		return atts
	}
	i := -1
	return slices.DeleteFunc(atts, func(a Attachment) bool { i++; return last[a.Name] != i })
}

// read reads the members of the attachment's object at i, and returns the index after it.
func (a *Attachment) read(src []byte, i int) (int, error) {
	return jsonscan.Members(src, i, func(name []byte, at int) (int, error) {
		end, err := jsonscan.Skip(src, at)
		if err != nil {
			return at, err
		}
		v := src[at:end]
		switch string(name) {
		case "content_type":
			if text, err := jsonscan.Text(v); err == nil {
				a.Type = text
			}
		case "data":
			a.data = v
			a.badData = a.badData || jsonscan.Kind(v) != '"'
		case "stub":
			a.Stub = string(v) == "true"
		case "follows":
			a.Follows = string(v) == "true"
		case "length":
			a.Length = length(v)
			a.badLength = a.badLength || a.Length < 0
		case "encoded_length":
			a.Encoded = length(v)
			a.badLength = a.badLength || a.Encoded < 0
		case "encoding":
			a.Encoding, _ = jsonscan.Text(v)
		case "digest":
			a.Digest, _ = jsonscan.Text(v)
		case "revpos":
			if n := length(v); n >= 0 {
				a.RevPos, a.HasRevPos = uint64(n), true
			}
		}
		return end, nil
	})
}

// check judges what was read, and measures the inline bytes.
func (a *Attachment) check() error {
	if err := ValidAttachmentName(a.Name); err != nil {
		return err
	}
	var ok bool
	switch {
	case a.badData:
	case a.Follows && a.badLength:
		return &Error{BadRequest, fmt.Sprintf("The length of attachment %s is none", a.Name)}
	case a.Stub || a.Follows:
		return nil
	case a.data != nil:
		if a.Size, ok = sizeOfBase64(a.data[1 : len(a.data)-1]); ok {
			return nil
		}
	}
	return &Error{BadRequest, fmt.Sprintf("Invalid attachment data for %s", a.Name)}
}

// length reads a whole number of at most 18 digits; -1 if raw is not one.
func length(raw []byte) int64 {
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
