package replicate

import (
	"net/url"
	"strings"
)

// dbPath is a path below a database, "" being the database itself. A literal is one as it
// stands; whatever has a name in it comes from the functions below, which escape it.
type dbPath string

func docPath(id string) dbPath {
	if name, ok := strings.CutPrefix(id, "_design/"); ok && name != "" {
		return designPath(name)
	}
	return dbPath(escaped(id))
}

// designPath is where a design document is. CouchDB wants the slash behind _design as it
// is; those in the name are the name's.
func designPath(name string) dbPath { return dbPath("_design/" + escaped(name)) }

// localPath is where a local document is, whose id goes without its prefix.
func localPath(id string) dbPath { return dbPath("_local/" + escaped(id)) }

func attachmentPath(id, name string) dbPath { return docPath(id) + "/" + dbPath(escaped(name)) }

// escaped writes a name as one segment of a path. Every byte but letters, digits, dash,
// underscore, tilde and dot is escaped: CouchDB reads a plus as a space, other servers do not, and both
// read %2B as a plus. A name of dots alone would be a step in the path.
func escaped(name string) string {
	dots := strings.Trim(name, ".") == ""
	b := make([]byte, 0, len(name)+8)
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '~', c == '.' && !dots:
			b = append(b, c)
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

const upperHex = "0123456789ABCDEF"

// escapedQuery writes a query so that a space is one for every server.
func escapedQuery(q url.Values) string { return strings.ReplaceAll(q.Encode(), "+", "%20") }
