package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/wire"
)

// router finds the line of the table that a path leads to. gorilla/mux tries the lines in order, each
// with a regular expression, which most paths pay for dozens of lines that cannot be theirs. So router first looks
// among the few lines that have the same name at the same place, and compares the parts itself. What it
// does not find there, and parts that may have slashes, it leaves to mux.
type router struct {
	patterns []*pattern            // in the order of the table
	named    map[string][]*pattern // the same by their head; "": the ones that have none
	missing  *Route                // for paths that no other line has
	slow     func() *slowRouter    // made when a path first needs it: its expressions would be a tenth of the work of a start
}

// slowRouter has gorilla/mux find the line.
type slowRouter struct {
	mux   *mux.Router
	lines map[*mux.Route]*Route
}

// pattern is a path of the table.
type pattern struct {
	rt    *Route
	parts []part
	names []string // of the parts that have one
}

// part is one part of a path, after a slash.
type part struct {
	text string // a fixed name; "": any that its kind allows
	name string
	kind kind
}

// kind is what a part may be that has no fixed name.
type kind uint8

const (
	segment kind = iota // anything without a slash
	plain               // not beginning with an underscore
	special             // beginning with one
	ofDB                // the name of a database: plain, or one of the server's own
	tail                // with slashes
	open                // whatever follows, which may be nothing
)

// expression is what mux is told of a kind.
var expression = [...]string{segment: "", plain: ":[^_/][^/]*", special: ":_[^/]*", ofDB: ":[^_/][^/]*|" + strings.Join(ownDBs, "|"), tail: ":.+", open: ":(?:/.*)?"}

// ownDBs are the databases of the server with an underscore that may be named in a path.
var ownDBs = []string{access.UsersDB, "_replicator", "_global_changes"}

// patternOf reads a path of the table. Paths of requests come escaped and without doubled and trailing slashes;
// wire.Segment unescapes a part.
func patternOf(rt *Route) *pattern {
	p := &pattern{rt: rt}
	path, dots := strings.CutSuffix(rt.Path, "...")
	for i, text := range strings.Split(path, "/")[1:] {
		one := part{text: text}
		if name, is := strings.CutPrefix(text, "{"); is {
			one = part{name: strings.TrimSuffix(name, "}")}
			above := rt.Path[:strings.Index(rt.Path, text)]
			switch {
			case i == 0 && one.name == "db":
				one.kind = ofDB
			case above == "/{db}/" && one.name == "doc":
				one.kind = plain
			case above == "/{db}/" && one.name == "name":
				one.kind = special
			case one.name == "att":
				one.kind = tail
			}
			p.names = append(p.names, one.name)
		}
		p.parts = append(p.parts, one)
	}
	if dots {
		p.parts = append(p.parts, part{name: "rest", kind: open})
		p.names = append(p.names, "rest")
	}
	return p
}

// template is the path from a part on as mux reads it.
func (p *pattern) template(from int) string {
	var b strings.Builder
	for _, one := range p.parts[from:] {
		if one.kind != open {
			b.WriteByte('/')
		}
		if one.name == "" {
			b.WriteString(one.text)
			continue
		}
		b.WriteString("{" + one.name + expression[one.kind] + "}")
	}
	return b.String()
}

// head is the fixed name that a line is found by: the first one of the path, or the one below the
// database. A line without one may be meant by every path.
func (p *pattern) head() string {
	first := &p.parts[0]
	switch {
	case first.kind == ofDB && len(p.parts) > 1:
		return p.parts[1].text
	case first.kind == ofDB || namesDB(first.text):
		return ""
	}
	return first.text
}

// headOf is the name at that place in the path of a request.
func headOf(path string) string {
	first, below := cutPart(path)
	if namesDB(first) {
		first, _ = cutPart(below)
	}
	return first
}

// cutPart takes the first part, without its slash, off a path.
func cutPart(path string) (first, below string) {
	if path == "" {
		return "", ""
	}
	if end := strings.IndexByte(path[1:], '/'); end >= 0 {
		return path[1 : 1+end], path[1+end:]
	}
	return path[1:], ""
}

// namesDB tells whether a part may be the name of a database.
func namesDB(part string) bool {
	return part != "" && (part[0] != '_' || slices.Contains(ownDBs, part))
}

// match compares a path, which begins with a slash. sure is false if mux has to tell.
func (p *pattern) match(path string, at *wire.Place) (is, sure bool) {
	named := 0
	for i := range p.parts {
		one := &p.parts[i]
		if one.kind == open {
			at.Values[named] = path
			return true, true
		}
		if path == "" {
			return false, true
		}
		if one.kind == tail {
			return false, false
		}
		var text string
		text, path = cutPart(path)
		switch {
		case one.name == "":
			if text != one.text {
				return false, true
			}
			continue
		case text == "",
			one.kind == plain && text[0] == '_',
			one.kind == special && text[0] != '_',
			one.kind == ofDB && !namesDB(text):
			return false, true
		}
		at.Values[named] = text
		named++
	}
	return path == "", true
}

// belowDesign is the path that all functions and attachments of design documents are below.
const belowDesign = "/{db}/_design/{ddoc}/"

// newRouter makes the router of a table, whose last line is for all other paths.
func newRouter(table []Route) *router {
	last := len(table) - 1
	r := &router{patterns: make([]*pattern, last), named: map[string][]*pattern{}, missing: &table[last]}
	r.slow = sync.OnceValue(func() *slowRouter { return newSlowRouter(r.patterns) })
	for i := range r.patterns {
		r.patterns[i] = patternOf(&table[i])
		r.named[r.patterns[i].head()] = nil
	}
	for _, p := range r.patterns {
		head := p.head()
		for name := range r.named {
			if head == "" || head == name {
				r.named[name] = append(r.named[name], p)
			}
		}
	}
	return r
}

func newSlowRouter(patterns []*pattern) *slowRouter {
	r := &slowRouter{mux: mux.NewRouter().UseEncodedPath().SkipClean(true), lines: map[*mux.Route]*Route{}}
	var design *mux.Router // so that other paths are not compared with each of them
	for _, p := range patterns {
		if !strings.HasPrefix(p.rt.Path, belowDesign) {
			r.add(r.mux, p.template(0), p.rt)
			continue
		}
		const parts = 3 // of belowDesign
		if design == nil {
			design = r.mux.PathPrefix((&pattern{parts: p.parts[:parts]}).template(0) + "/").Subrouter()
		}
		r.add(design, p.template(parts), p.rt)
	}
	return r
}

// add adds a line to mux or to a part of it.
func (r *slowRouter) add(to *mux.Router, template string, rt *Route) {
	r.lines[to.Path(template)] = rt
}

// find finds the line that a request's path leads to, and where its parts are.
func (r *router) find(req *http.Request, at *wire.Place) *Route {
	path := req.URL.EscapedPath()
	if path == "" || path[0] != '/' {
		return r.findSlowly(req, at)
	}
	lines, has := r.named[headOf(path)]
	if !has {
		lines = r.named[""]
	}
	for _, p := range lines {
		is, sure := p.match(path, at)
		if !sure {
			break
		}
		if is {
			at.Names = p.names
			return p.rt
		}
	}
	return r.findSlowly(req, at)
}

// findSlowly has mux find the line.
func (r *router) findSlowly(req *http.Request, at *wire.Place) *Route {
	slow := r.slow()
	var found mux.RouteMatch
	at.Names = nil
	if !slow.mux.Match(req, &found) {
		return r.missing
	}
	for name, value := range found.Vars {
		at.Values[len(at.Names)] = value
		at.Names = append(at.Names, name)
	}
	return slow.lines[found.Route]
}
