package httpapi

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/wire"
)

// A virtual host is a name under which the server can be reached. Its paths lead to paths below
// another one: a database, or a design document's _rewrite. CouchDB has them until its version 4
// (couch_httpd_vhost.erl).

// vhost is one rule of [vhosts]: HOST[:PORT][/PATH] = TARGET. A label of the host or a segment
// of the target is a text, or :NAME for one label, or * for all labels that are left.
type vhost struct {
	host   []string // the labels, the last one first
	port   string   // "": any
	path   []string // segments that the path must begin with; they are removed
	target []string
}

// onEveryHost returns the first segments of paths that are the same on every virtual host: the
// ones that the table marks, and the database of the users, as in CouchDB.
func onEveryHost(table []Route) []string {
	names := []string{access.UsersDB}
	for i := range table {
		if table[i].everyHost {
			names = append(names, splitPath(strings.TrimSuffix(table[i].Path, "..."))[0])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// readVhosts makes the rules of a section, the most specific first.
func readVhosts(section map[string]string) []vhost {
	var list []vhost
	for from, target := range section {
		if target == "" {
			continue
		}
		name, path, _ := strings.Cut(from, "/")
		v := vhost{path: splitPath(path), target: splitPath(target)}
		v.host, v.port = splitHost(name)
		if len(v.host) == 0 {
			v.host = []string{"*"}
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b vhost) int {
		return cmp.Or(
			slices.CompareFunc(b.host, a.host, func(b, a string) int {
				return cmp.Or(cmp.Compare(labelRank(b), labelRank(a)), strings.Compare(b, a))
			}),
			strings.Compare(b.port, a.port),
			slices.Compare(b.path, a.path),
			slices.Compare(b.target, a.target),
		)
	})
	return list
}

// labelRank says how specific a label of a rule is.
func labelRank(label string) int {
	switch {
	case label == "*":
		return 0
	case strings.HasPrefix(label, ":"):
		return 1
	}
	return 2
}

func splitPath(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(part string) bool { return part == "" })
}

// splitHost takes a host apart: its labels in lower case, the last one first, and the port.
func splitHost(host string) (labels []string, port string) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		if digits := host[i+1:]; digits != "" && strings.Trim(digits, "0123456789") == "" {
			host, port = host[:i], digits
		}
	}
	labels = slices.DeleteFunc(strings.Split(strings.ToLower(host), "."), func(label string) bool { return label == "" })
	slices.Reverse(labels)
	return labels, port
}

// leads tells where the rule leads a path of a host.
func (v *vhost) leads(host []string, port string, path []string) (to []string, ok bool) {
	if v.port != "" && v.port != port || len(path) < len(v.path) || !slices.Equal(path[:len(v.path)], v.path) {
		return nil, false
	}
	names := map[string]string{}
	rest := host
	for _, label := range v.host {
		switch {
		case len(rest) == 0:
			return nil, false
		case label == "*":
			names["*"] = strings.Join(rest, "/")
			rest = nil
			continue
		case strings.HasPrefix(label, ":"):
			names[label] = rest[0]
		case label != rest[0]:
			return nil, false
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return nil, false
	}
	for _, part := range v.target {
		if bound, is := names[part]; is {
			part = bound
		}
		to = append(to, part)
	}
	return append(to, path[len(v.path):]...), true
}

// toVhost gives a request the path that its virtual host leads to, unless its first segment is
// one of global. It fails if it cannot read the path.
func toVhost(rules []vhost, global []string, r *http.Request) (*http.Request, error) {
	if len(rules) == 0 {
		return r, nil
	}
	here, err := url.Parse(wire.Absolute(r, "/"))
	if err != nil {
		return r, nil // no rule has such a host
	}
	host, port := splitHost(here.Host)
	path := splitPath(r.URL.EscapedPath())
	if len(path) > 0 && slices.Contains(global, path[0]) {
		return r, nil
	}
	for i := range rules {
		to, ok := rules[i].leads(host, port, path)
		if !ok {
			continue
		}
		escaped := "/" + strings.Join(to, "/")
		plain, err := url.PathUnescape(escaped)
		if err != nil {
			return r, wire.ErrURLEncoding
		}
		next, u := *r, *r.URL
		u.Path, u.RawPath = plain, escaped
		next.URL = &u
		return &next, nil
	}
	return r, nil
}
