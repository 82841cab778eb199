package store

import (
	"encoding/binary"

	"github.com/klauspost/compress/s2"

	"github.com/tododb/tododb/store/record"
)

// Flags of a body record.
const (
	bodyS2   = 1 << iota // the JSON is compressed with s2
	bodyAtts             // a list of attachments stands before the JSON
)

// compressFrom is the size from which a body is worth compressing: a smaller one saves little
// more than a cache line or two on a page that is written anyway.
const compressFrom = 1024

// encodeBody builds the record of a revision's body:
//
//	version | flags | [bytes attachments] | JSON, or its s2 block
func encodeBody(json, atts []byte) []byte {
	flags := byte(0)
	if len(atts) > 0 {
		flags |= bodyAtts
	}
	if len(json) >= compressFrom {
		b := make([]byte, 0, 2+len(atts)+binary.MaxVarintLen64+s2.MaxEncodedLen(len(json)))
		b = append(b, record.Version, flags|bodyS2)
		if len(atts) > 0 {
			b = record.AppendBytes(b, atts)
		}
		packed := s2.Encode(b[len(b):cap(b)], json)
		if len(packed) < len(json)-len(json)/8 {
			return b[:len(b)+len(packed)]
		}
	}
	b := make([]byte, 0, 2+len(atts)+binary.MaxVarintLen64+len(json))
	b = append(b, record.Version, flags)
	if len(atts) > 0 {
		b = record.AppendBytes(b, atts)
	}
	return append(b, json...)
}

// storedBody is a body record taken apart; its slices alias the record.
type storedBody struct {
	atts   []byte
	json   []byte
	packed bool
}

func parseBody(v []byte) (storedBody, error) {
	r := record.Read(v)
	if r.Byte() != record.Version {
		return storedBody{}, corrupt("body of unknown version")
	}
	flags := r.Byte()
	var s storedBody
	if flags&bodyAtts != 0 {
		s.atts = r.Bytes()
	}
	s.json, s.packed = r.Rest, flags&bodyS2 != 0
	if r.Bad {
		return storedBody{}, corrupt("body of %d bytes", len(v))
	}
	return s, nil
}

// appendJSON appends the JSON object of the body to dst.
func (s storedBody) appendJSON(dst []byte) ([]byte, error) {
	if !s.packed {
		return append(dst, s.json...), nil
	}
	n, err := s2.DecodedLen(s.json)
	if err != nil {
		return dst, corrupt("compressed body: %v", err)
	}
	at := len(dst)
	if cap(dst)-at < n {
		dst = append(make([]byte, 0, at+n+at/4), dst...)
	}
	out, err := s2.Decode(dst[at:at+n], s.json)
	if err != nil {
		return dst, corrupt("compressed body: %v", err)
	}
	return dst[:at+len(out)], nil
}
