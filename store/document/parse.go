package document

import (
	"strings"

	"github.com/tododb/tododb/store/jsonscan"
)

// Parse reads one document. Its errors are *Error.
func Parse(src []byte, opt Options) (Doc, error) {
	p := newParser(src, opt)
	i := jsonscan.Space(src, 0)
	d, i, err := p.document(i, opt)
	if err != nil && !jsonscan.Valid(src) {
		return Doc{}, errSyntax // broken JSON comes before what it says
	}
	if err != nil {
		return Doc{}, err
	}
	if jsonscan.Space(src, i) != len(src) {
		return Doc{}, errSyntax
	}
	return d, nil
}

// parser reads values of src and writes body and term. Both buffers serve all
// documents of a request: each takes its part of them.
type parser struct {
	src  []byte
	body []byte
	term []byte

	members []member // of the objects being read, the innermost last
	// wide maps the names of objects that have many members to indexes in members. An
	// object goes by where its members begin; those of an object in it begin further up.
	wide map[int]map[string]int
}

// member is one member of an object: where its parts are in the buffers.
type member struct {
	body, term   int // where it begins
	name, nameTo int // its name in term
	gone         bool
}

func newParser(src []byte, opt Options) *parser {
	room := len(src)
	if opt.Expect > 0 {
		room = min(room, opt.Expect)
	}
	return &parser{
		src:  src,
		body: make([]byte, 0, room),
		term: make([]byte, 0, room+room/2),
	}
}

// document reads the document that begins at i.
func (p *parser) document(i int, opt Options) (d Doc, end int, err error) {
	if i >= len(p.src) || p.src[i] != '{' {
		if _, err := jsonscan.Skip(p.src, i); err != nil {
			return d, i, errSyntax
		}
		return d, i, errNotObject
	}
	body, term := len(p.body), len(p.term)
	p.body = append(p.body, '{')
	special := func(name []byte, i int) (int, error) { return p.special(&d, name, i) }
	if i, err = p.object(i, 0, special); err != nil {
		return d, i, err
	}
	if !opt.Local && !strings.HasPrefix(d.ID, "_local/") {
		if err := d.CheckPath(); err != nil {
			return d, i, err
		}
	}
	d.Body = p.body[body:len(p.body):len(p.body)]
	if opt.MaxSize > 0 && int64(len(d.Body)) > opt.MaxSize {
		return d, i, &Error{TooLarge, d.ID}
	}
	d.term = p.term[term:len(p.term):len(p.term)]
	return d, i, nil
}

// value reads the value at i into both buffers.
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
		p.body = append(p.body, '{')
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
	p.term = AppendAtom(p.term, w)
	return end, nil
}

func (p *parser) text(i int) (int, error) {
	end, escaped, err := jsonscan.SkipString(p.src, i)
	if err != nil {
		return i, errSyntax
	}
	p.body = append(p.body, p.src[i:end]...)
	at := len(p.term)
	p.term = append(p.term, termBinary, 0, 0, 0, 0)
	if escaped {
		p.term = jsonscan.AppendText(p.term, p.src[i:end])
	} else {
		p.term = append(p.term, p.src[i+1:end-1]...)
	}
	putLength(p.term[at+1:], len(p.term)-at-5)
	return end, nil
}

func (p *parser) number(i int) (int, error) {
	end, float, err := jsonscan.SkipNumber(p.src, i)
	if err != nil {
		return i, errSyntax
	}
	raw := p.src[i:end]
	if float {
		f, err := jsonscan.Float(raw)
		if err != nil {
			return i, errSyntax
		}
		p.term = appendFloat(p.term, f)
	} else {
		if p.term, err = appendInteger(p.term, raw); err != nil {
			return i, err
		}
		if string(raw) == "-0" {
			raw = raw[1:]
		}
	}
	p.body = append(p.body, raw...)
	return end, nil
}

func (p *parser) array(i, depth int) (int, error) {
	p.body = append(p.body, '[')
	at := len(p.term)
	p.term = append(p.term, termList, 0, 0, 0, 0)
	count, bytesOnly := 0, true
	i = jsonscan.Space(p.src, i+1)
	for first := true; ; first = false {
		if i >= len(p.src) {
			return i, errSyntax
		}
		if p.src[i] == ']' && first {
			break
		}
		elem := len(p.term)
		var err error
		if i, err = p.value(i, depth+1); err != nil {
			return i, err
		}
		count++
		bytesOnly = bytesOnly && p.term[elem] == termByte
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
	switch {
	case count == 0:
		p.term = append(p.term[:at], termNil)
	case bytesOnly && count <= 0xffff:
		p.term = packBytes(p.term, at, count)
	default:
		putLength(p.term[at+1:], count)
		p.term = append(p.term, termNil)
	}
	return i + 1, nil
}

// object reads the object at i; its opening brace is in the body already. special, if
// not nil, is given the members whose names begin with an underscore; it returns the
// index behind the value, or 0 to have the member treated as any other.
func (p *parser) object(i, depth int, special func(name []byte, i int) (int, error)) (int, error) {
	at := len(p.term)
	p.term = append(p.term, termTuple, 1, termList, 0, 0, 0, 0)
	own := len(p.members) // where this object's members begin
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
		m := member{body: len(p.body), term: len(p.term)}
		var err error
		if i, err = p.member(i, depth, &m, special); err != nil {
			return i, err
		}
		if m.nameTo > 0 {
			if p.replaces(own, &m) {
				gone++
			}
			p.members = append(p.members, m)
		}
		if i = jsonscan.Space(p.src, i); i >= len(p.src) {
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
	count := len(p.members) - own
	if gone > 0 {
		p.closeRanks(own)
		count -= gone
	}
	p.members = p.members[:own]
	if p.wide != nil {
		delete(p.wide, own)
	}
	if n := len(p.body); n > open && p.body[n-1] == ',' {
		p.body = p.body[:n-1] // each member brought a comma
	}
	p.body = append(p.body, '}')
	if count == 0 {
		p.term = append(p.term[:at+2], termNil)
	} else {
		putLength(p.term[at+3:], count)
		p.term = append(p.term, termNil)
	}
	return i + 1, nil
}

// member reads one member and a comma behind it into the buffers.
func (p *parser) member(i, depth int, m *member, special func([]byte, int) (int, error)) (int, error) {
	if p.src[i] != '"' {
		return i, errSyntax
	}
	p.term = append(p.term, termTuple, 2)
	from := len(p.term)
	i, err := p.text(i)
	if err != nil {
		return i, err
	}
	name := p.term[from+5:]
	if i = jsonscan.Space(p.src, i); i >= len(p.src) || p.src[i] != ':' {
		return i, errSyntax
	}
	i = jsonscan.Space(p.src, i+1)
	if special != nil && len(name) > 0 && name[0] == '_' {
		end, err := special(name, i)
		if err != nil {
			return i, err
		}
		if end > 0 {
			p.body, p.term = p.body[:m.body], p.term[:m.term]
			return end, nil
		}
	}
	p.body = append(p.body, ':')
	m.name, m.nameTo = from+5, len(p.term)
	if i, err = p.value(i, depth+1); err != nil {
		return i, err
	}
	p.body = append(p.body, ',')
	return i, nil
}
