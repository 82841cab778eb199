package replicate

import (
	"net/url"
	"strings"
)

// dbPath is a path below a database; "" is the database itself. A literal is used as it is.
// Names get into a path only through the functions below, which escape them.
type dbPath string

func docPath(id string) dbPath {
	if name, ok := strings.CutPrefix(id, "_design/"); ok && name != "" {
		return designPath(name)
	}
	return dbPath(escaped(id))
}

// designPath is the path of a design document. CouchDB wants the slash after _design
// unescaped. Slashes in the name are escaped.
func designPath(name string) dbPath { return dbPath("_design/" + escaped(name)) }

// localPath is the path of a local document. The id comes without its prefix.
func localPath(id string) dbPath { return dbPath("_local/" + escaped(id)) }

func attachmentPath(id, name string) dbPath { return docPath(id) + "/" + dbPath(escaped(name)) }

// escaped writes a name as one segment of a path. It escapes every byte but letters, digits,
// dash, underscore, tilde and dot. CouchDB reads a plus as a space and other servers do not,
// but both read %2B as a plus. A name of only dots is escaped too: it would be a step in the
// path.
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

// escapedQuery writes a query so that every server reads a space as a space.
func escapedQuery(q url.Values) string { return strings.ReplaceAll(q.Encode(), "+", "%20") }
