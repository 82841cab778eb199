package document

import (
	"bytes"
	"strings"
	"sync"

	"github.com/tododb/tododb/store/jsonscan"
)

// Parse reads one document. Its errors are *Error.
func Parse(src []byte, opt Options) (Doc, error) {
	p := newParser(src, opt)
	defer p.release()
	d, i, err := p.document(jsonscan.Space(src, 0), opt)
	if err != nil && !jsonscan.Valid(src) {
		return Doc{}, errSyntax // broken JSON is reported before other faults
	}
	if err != nil {
		return Doc{}, err
	}
	if jsonscan.Space(src, i) != len(src) {
		return Doc{}, errSyntax
	}
	return d, nil
}

// parser reads values from src and writes them to body. All documents of a request share body,
// each with its own part.
type parser struct {
	src  []byte
	body []byte

	members []member // of the objects being read, the innermost last
	maxID   int64
	// wide maps the names of objects with many members to indexes in members. An object is
	// known by where its members begin; a nested object's begin later.
	wide map[int]map[string]int
}

// member is one member of an object.
type member struct {
	name []byte // without escapes
	at   int    // where it begins in body
	gone bool
}

var parsers = sync.Pool{New: func() any { return &parser{members: make([]member, 0, 2*manyMembers)} }}

// newParser returns a parser of src. release returns it to the pool; the bytes it wrote stay.
func newParser(src []byte, opt Options) *parser {
	room := len(src)
	if opt.Expect > 0 {
		room = min(room, opt.Expect)
	}
	p := parsers.Get().(*parser)
	p.src, p.body, p.maxID = src, make([]byte, 0, room), opt.MaxID
	return p
}

func (p *parser) release() {
	p.src, p.body, p.wide = nil, nil, nil
	if cap(p.members) > 64*manyMembers {
		return // do not keep what one huge document needed
	}
	clear(p.members[:cap(p.members)]) // their names alias src
	p.members = p.members[:0]
	parsers.Put(p)
}

// document reads the document that begins at i.
func (p *parser) document(i int, opt Options) (d Doc, end int, err error) {
	if i >= len(p.src) || p.src[i] != '{' {
		if _, err := jsonscan.Skip(p.src, i); err != nil {
			return d, i, errSyntax
		}
		return d, i, errNotObject
	}
	from := len(p.body)
	if i, err = p.object(i, 0, &d); err != nil {
		return d, i, err
	}
	if !opt.Local && !strings.HasPrefix(d.ID, "_local/") {
		if err := d.CheckPath(); err != nil {
			return d, i, err
		}
	}
	d.Body = p.body[from:len(p.body):len(p.body)]
	return d, i, d.CheckSize(opt.MaxSize)
}

// value reads the value at i.
func (p *parser) value(i, depth int) (int, error) {
	if i >= len(p.src) {
		return i, errSyntax
	}
	switch c := p.src[i]; c {
	case '"':
		return p.text(i)
	case '{', '[':
		if depth >= jsonscan.MaxDepth {
			return i, errSyntax
		}
		if c == '[' {
			return p.array(i, depth)
		}
		return p.object(i, depth, nil)
	case 't':
		return p.word(i, "true")
	case 'f':
		return p.word(i, "false")
	case 'n':
		return p.word(i, "null")
	}
	return p.number(i)
}

func (p *parser) word(i int, w string) (int, error) {
	end, err := jsonscan.Literal(p.src, i, w)
	if err != nil {
		return i, errSyntax
	}
	p.body = append(p.body, w...)
	return end, nil
}

func (p *parser) text(i int) (int, error) {
	end, _, err := jsonscan.SkipString(p.src, i)
	if err != nil {
		return i, errSyntax
	}
	p.body = append(p.body, p.src[i:end]...)
	return end, nil
}

func (p *parser) number(i int) (int, error) {
	end, float, err := jsonscan.SkipNumber(p.src, i)
	if err != nil {
		return i, errSyntax
	}
	raw := p.src[i:end]
	switch {
	case float:
		if _, err := jsonscan.Float(raw); err != nil {
			return i, errSyntax
		}
	case len(raw) > maxDigits && len(bytes.TrimPrefix(raw, []byte{'-'})) > maxDigits:
		return i, errSyntax
	case string(raw) == "-0":
		raw = raw[1:]
	}
	p.body = append(p.body, raw...)
	return end, nil
}

func (p *parser) array(i, depth int) (int, error) {
	p.body = append(p.body, '[')
	i = jsonscan.Space(p.src, i+1)
	for first := true; ; first = false {
		if i >= len(p.src) {
			return i, errSyntax
		}
		if p.src[i] == ']' && first {
			break
		}
		var err error
		if i, err = p.value(i, depth+1); err != nil {
			return i, err
		}
		if i = jsonscan.Space(p.src, i); i >= len(p.src) {
			return i, errSyntax
		}
		if p.src[i] == ']' {
			break
		}
		if p.src[i] != ',' {
			return i, errSyntax
		}
		p.body = append(p.body, ',')
		i = jsonscan.Space(p.src, i+1)
	}
	p.body = append(p.body, ']')
	return i + 1, nil
}

// object reads the object at i. If the object is the document itself, d is not nil, and members
// whose names begin with an underscore are taken out.
func (p *parser) object(i, depth int, d *Doc) (int, error) {
	own := len(p.members) // where this object's members begin
	p.body = append(p.body, '{')
	open := len(p.body)
	gone := 0
	i = jsonscan.Space(p.src, i+1)
	for first := true; ; first = false {
		if i >= len(p.src) {
			return i, errSyntax
		}
		if p.src[i] == '}' && first {
			break
		}
		end, kept, err := p.member(i, depth, own, d)
		if err != nil {
			return i, err
		}
		if kept == replacing {
			gone++
		}
		if i = jsonscan.Space(p.src, end); i >= len(p.src) {
			return i, errSyntax
		}
		if p.src[i] == '}' {
			break
		}
		if p.src[i] != ',' {
			return i, errSyntax
		}
		i = jsonscan.Space(p.src, i+1)
	}
	if gone > 0 {
		p.closeRanks(own)
	}
	p.members = p.members[:own]
	if p.wide != nil {
		delete(p.wide, own)
	}
	if n := len(p.body); n > open {
		p.body = p.body[:n-1] // each member brought a comma
	}
	p.body = append(p.body, '}')
	return i + 1, nil
}

// kept says what became of a member.
type kept int

const (
	special   kept = iota // it is not part of the body
	added                 // it is
	replacing             // it is, in place of an earlier one of its name
)

// member reads one member of the object whose members begin at own, and writes it followed by a
// comma.
func (p *parser) member(i, depth, own int, d *Doc) (int, kept, error) {
	if p.src[i] != '"' {
		return i, 0, errSyntax
	}
	end, escaped, err := jsonscan.SkipString(p.src, i)
	if err != nil {
		return i, 0, errSyntax
	}
	m := member{name: p.src[i+1 : end-1], at: len(p.body)}
	if escaped {
		m.name = jsonscan.AppendText(nil, p.src[i:end])
	}
	at := jsonscan.Space(p.src, end)
	if at >= len(p.src) || p.src[at] != ':' {
		return at, 0, errSyntax
	}
	at = jsonscan.Space(p.src, at+1)
	if d != nil && len(m.name) > 0 && m.name[0] == '_' && !ofBody(m.name) {
		end, err := p.special(d, m.name, at)
		return end, special, err
	}
	p.body = append(append(p.body, p.src[i:end]...), ':')
	if at, err = p.value(at, depth+1); err != nil {
		return at, 0, err
	}
	p.body = append(p.body, ',')
	became := added
	if p.replaces(own, &m) {
		became = replacing
	}
	p.members = append(p.members, m)
	return at, became, nil
}
