package collate

import (
	"errors"

	"github.com/tododb/tododb/store/jsonscan"
)

// Order is one of the two orders that CouchDB knows.
type Order byte

const (
	Unicode Order = iota // for views and indexes
	Raw                  // Erlang's own order, if a view's options ask for it
)

// Tags begin the key of a value; their order is the order of the types.
const (
	tagEnd    = 0x00 // of an array or an object
	tagNull   = 0x10
	tagFalse  = 0x20
	tagTrue   = 0x30
	tagNumber = 0x40
	tagString = 0x50
	tagArray  = 0x60
	tagObject = 0x70
)

// rawTags are the Raw tags, indexed by the Unicode ones: numbers, atoms by name, objects,
// arrays, strings.
var rawTags = [...]byte{
	tagNumber >> 4: 0x10,
	tagFalse >> 4:  0x20,
	tagNull >> 4:   0x21,
	tagTrue >> 4:   0x22,
	tagObject >> 4: 0x30,
	tagArray >> 4:  0x40,
	tagString >> 4: 0x50,
}

// After marks the place after everything that begins with a key, or with the beginning of an
// array's key.
const After = 0xff

// ErrNotJSON says that bytes are not one JSON value.
var ErrNotJSON = errors.New("collate: not a JSON value")

// AppendKey appends the key of a JSON value in Unicode order.
func AppendKey(dst, json []byte) ([]byte, error) { return Unicode.AppendKey(dst, json) }

// AppendKey appends the key of a JSON value. After an error dst is as it was.
func (o Order) AppendKey(dst, json []byte) ([]byte, error) {
	key, i, err := o.append(dst, json, jsonscan.Space(json, 0), 0)
	if err != nil {
		return dst, err
	}
	if jsonscan.Space(json, i) != len(json) {
		return dst, ErrNotJSON
	}
	return key, nil
}

func (o Order) tag(tag byte) byte {
	if o == Raw {
		return rawTags[tag>>4]
	}
	return tag
}

// append appends the key of the value that begins at i and returns the index after it.
func (o Order) append(dst, b []byte, i, depth int) ([]byte, int, error) {
	if i >= len(b) || depth > jsonscan.MaxDepth {
		return dst, i, ErrNotJSON
	}
	var err error
	switch b[i] {
	case 'n':
		i, err = jsonscan.Literal(b, i, "null")
		dst = append(dst, o.tag(tagNull))
	case 'f':
		i, err = jsonscan.Literal(b, i, "false")
		dst = append(dst, o.tag(tagFalse))
	case 't':
		i, err = jsonscan.Literal(b, i, "true")
		dst = append(dst, o.tag(tagTrue))
	case '"':
		return o.appendString(dst, b, i)
	case '[', '{':
		return o.appendNested(dst, b, i, depth)
	default:
		end, float, err := jsonscan.SkipNumber(b, i)
		if err != nil {
			return dst, i, ErrNotJSON
		}
		dst, err = appendNumber(append(dst, o.tag(tagNumber)), b[i:end], float)
		return dst, end, err
	}
	if err != nil {
		err = ErrNotJSON
	}
	return dst, i, err
}

func (o Order) appendNested(dst, b []byte, i, depth int) ([]byte, int, error) {
	object := b[i] == '{'
	tag, closing := byte(tagArray), byte(']')
	if object {
		tag, closing = tagObject, '}'
	}
	dst = append(dst, o.tag(tag))
	if i = jsonscan.Space(b, i+1); i < len(b) && b[i] == closing {
		return append(dst, tagEnd), i + 1, nil
	}
	for {
		var err error
		if object {
			if i >= len(b) || b[i] != '"' {
				return dst, i, ErrNotJSON
			}
			if dst, i, err = o.appendString(dst, b, i); err != nil {
				return dst, i, err
			}
			if i = jsonscan.Space(b, i); i >= len(b) || b[i] != ':' {
				return dst, i, ErrNotJSON
			}
			i = jsonscan.Space(b, i+1)
		}
		if dst, i, err = o.append(dst, b, i, depth+1); err != nil {
			return dst, i, err
		}
		i = jsonscan.Space(b, i)
		switch {
		case i < len(b) && b[i] == ',':
			i = jsonscan.Space(b, i+1)
		case i < len(b) && b[i] == closing:
			return append(dst, tagEnd), i + 1, nil
		default:
			return dst, i, ErrNotJSON
		}
	}
}

// appendString appends the key of the JSON string that begins at i.
func (o Order) appendString(dst, b []byte, i int) ([]byte, int, error) {
	end, escaped, err := jsonscan.SkipString(b, i)
	if err != nil {
		return dst, i, ErrNotJSON
	}
	dst = append(dst, o.tag(tagString))
	text := b[i+1 : end-1]
	if escaped {
		text = jsonscan.AppendText(nil, b[i:end])
	}
	if o == Raw {
		return appendRaw(dst, text), end, nil
	}
	return appendCollated(dst, text), end, nil
}

// AppendText appends the key of a string in Raw order, given its text. The order of such keys is
// that of the texts' bytes.
func AppendText(dst, text []byte) []byte { return appendRaw(append(dst, Raw.tag(tagString)), text) }

// appendRaw appends text in a form that keeps byte order and marks the end.
func appendRaw(dst, text []byte) []byte {
	for _, c := range text {
		dst = append(dst, c)
		if c == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 1)
}
