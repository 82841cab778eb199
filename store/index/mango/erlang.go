package mango

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tododb/tododb/store/jsonscan"
)

// CouchDB reports faults of a request in Erlang's notation. Clients pass these texts on to
// people, who search for them.

// erlang writes a JSON value as io_lib:format's ~w writes its EJSON or, with pretty, as ~p:
// printable strings then appear as such. Long values are not broken into lines; very long ones
// are cut.
func erlang(v []byte, pretty bool) string {
	if len(v) > maxShown && jsonscan.Kind(v) != '"' {
		return shorten(string(v)) // a part of it would not be JSON
	}
	var b strings.Builder
	writeErlang(&b, v, pretty)
	return shorten(b.String())
}

// maxShown is the most bytes of a value that a reason shows.
const maxShown = 4096

// shorten cuts a text that is too long to show.
func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "..."
}

func writeErlang(b *strings.Builder, v []byte, pretty bool) {
	switch jsonscan.Kind(v) {
	case '{':
		b.WriteString("{[")
		for i, m := range pairs(v) {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('{')
			writeErlangText(b, m.name, pretty)
			b.WriteByte(',')
			writeErlang(b, m.value, pretty)
			b.WriteByte('}')
		}
		b.WriteString("]}")
	case '[':
		b.WriteByte('[')
		for i, e := range elements(v) {
			if i > 0 {
				b.WriteByte(',')
			}
			writeErlang(b, e, pretty)
		}
		b.WriteByte(']')
	case '"':
		writeErlangText(b, text(v), pretty)
	default:
		b.Write(v)
	}
}

func writeErlangText(b *strings.Builder, s string, pretty bool) {
	b.WriteString("<<")
	if pretty && readable(s) {
		b.WriteByte('"')
		b.WriteString(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s))
		b.WriteByte('"')
	} else {
		for i := range len(s) {
			if b.Len() > maxShown {
				break // shorten cuts it
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Itoa(int(s[i])))
		}
	}
	b.WriteString(">>")
}

func readable(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r > 0xff || !unicode.IsPrint(r) })
}
