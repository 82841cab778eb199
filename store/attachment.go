package store

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode"

	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/record"
)

// Digest is the MD5 of an attachment's bytes as they are stored.
type Digest [16]byte

// String is how CouchDB writes it: "md5-" and base64.
func (d Digest) String() string {
	return "md5-" + base64.StdEncoding.EncodeToString(d[:])
}

// ParseDigest reads what String writes.
func ParseDigest(s string) (d Digest, ok bool) {
	if len(s) != 28 || s[:4] != "md5-" {
		return d, false
	}
	b, err := base64.StdEncoding.DecodeString(s[4:])
	if err != nil || len(b) != 16 {
		return d, false
	}
	return Digest(b), true
}

// Attachment describes one attachment of a revision.
type Attachment struct {
	Name   string
	Type   string // as the client sent it
	Digest Digest
	Length int64  // bytes as stored
	RevPos uint64 // the generation that brought the bytes
	// Encoding is "gzip" for bytes that arrived compressed. DecodedLength is then their length
	// unpacked, where it is known.
	Encoding      string
	DecodedLength int64
}

// InHead is an attachment's name or type as it may stand in the header of a message part. A
// control character becomes a blank: it could end the line and begin another, or make readers
// refuse the header. Nobody relies on the header: the JSON has both unchanged.
func InHead(text string) string {
	if strings.IndexFunc(text, unicode.IsControl) < 0 {
		return text
	}
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, text)
}

// The list of attachments in a body record: uvarint number, then for each
// bytes name | bytes type | 16 bytes digest | uvarint length | uvarint revpos |
// bytes encoding | uvarint decoded length.

func appendAttachments(b []byte, atts []Attachment) []byte {
	b = binary.AppendUvarint(b, uint64(len(atts)))
	for _, a := range atts {
		b = record.AppendBytes(b, a.Name)
		b = record.AppendBytes(b, a.Type)
		b = append(b, a.Digest[:]...)
		b = binary.AppendUvarint(b, uint64(a.Length))
		b = binary.AppendUvarint(b, a.RevPos)
		b = record.AppendBytes(b, a.Encoding)
		b = binary.AppendUvarint(b, uint64(a.DecodedLength))
	}
	return b
}

func parseAttachments(v []byte) ([]Attachment, error) {
	if len(v) == 0 {
		return nil, nil
	}
	r := record.Read(v)
	n := r.Uvarint()
	if n > uint64(len(v)) {
		return nil, corrupt("%d attachments in %d bytes", n, len(v))
	}
	atts := make([]Attachment, 0, n)
	for ; n > 0 && !r.Bad; n-- {
		a := Attachment{Name: string(r.Bytes()), Type: string(r.Bytes())}
		r.Fill(a.Digest[:])
		a.Length, a.RevPos = int64(r.Uvarint()), r.Uvarint()
		a.Encoding, a.DecodedLength = string(r.Bytes()), int64(r.Uvarint())
		atts = append(atts, a)
	}
	if r.Bad || len(r.Rest) != 0 {
		return nil, corrupt("attachment list of %d bytes", len(v))
	}
	return atts, nil
}

// attachedBytes is the length of attachments together.
func attachedBytes(atts []Attachment) (n int64) {
	for i := range atts {
		n += atts[i].Length
	}
	return n
}

// attRefs is what attachments contribute to a revision id.
func attRefs(atts []Attachment) []document.AttRef {
	if len(atts) == 0 {
		return nil
	}
	refs := make([]document.AttRef, len(atts))
	for i, a := range atts {
		refs[i] = document.AttRef{Name: a.Name, Type: a.Type, MD5: a.Digest}
	}
	return refs
}
