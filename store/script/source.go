package script

import (
	"fmt"
	"strings"

	"github.com/dop251/goja"
)

// Limits on source: goja's parser and compiler recurse into nested code, and an overflow of the
// process's stack cannot be caught.
const (
	maxSource  = 1 << 20
	maxNesting = 10000
	maxPrefix  = 1000 // operators before an operand: goja's time grows with the square
)

// compileFunction compiles the source of one function of a design document. Like CouchDB it
// accepts an anonymous function, which is not a statement in any grammar, with comments and
// other statements around it; any expression that gives a function; and an arrow function.
func compileFunction(name, source string) (*goja.Program, error) {
	if err := checkSource(source); err != nil {
		return nil, err
	}
	// A line comment at the end must not swallow the bracket.
	p, asExpression := compile(name, "("+source+"\n)")
	if asExpression == nil {
		return p, nil
	}
	p, err := compile(name, wrapAnonymous(source))
	if err != nil {
		// The reading that came further tells of the mistake.
		if lineOf(asExpression) > lineOf(err) {
			err = asExpression
		}
		return nil, compilationError("%s (%s)", syntaxMessage(err), source)
	}
	return p, nil
}

// lineOf is the line that goja's message names, 0 if it names none.
func lineOf(err error) (line int) {
	fmt.Sscanf(syntaxMessage(err), "Line %d:", &line) // another message leaves 0
	return line
}

// compileModule compiles the source of a CommonJS module.
func compileModule(name, source string) (*goja.Program, error) {
	if err := checkSource(source); err != nil {
		return nil, err
	}
	p, err := compile(name, "(function(module, exports, require){"+source+"\n})")
	if err != nil {
		return nil, compilationError("Module require('%s') raised error %s", name, syntaxMessage(err))
	}
	return p, nil
}

// syntaxMessage is goja's message without the name of the source.
func syntaxMessage(err error) string {
	m := err.Error()
	if i := strings.Index(m, "Line "); i >= 0 {
		m = m[i:]
	}
	if i := strings.Index(m, " (and "); i >= 0 {
		m = m[:i]
	}
	return m
}

func checkSource(source string) error {
	if len(source) > maxSource {
		return compilationError("the source has more than %d bytes", maxSource)
	}
	// All brackets count, even in strings and comments: only the parser that this protects
	// could tell them apart for certain.
	depth, prefix := 0, 0
	for i := 0; i < len(source); i++ {
		switch source[i] {
		case '!', '~', '+', '-':
			if prefix++; prefix > maxPrefix {
				return compilationError("the source has more than %d operators in a row", maxPrefix)
			}
		case ' ', '\t', '\n', '\r':
		default:
			prefix = 0
		}
		switch source[i] {
		case '(', '[', '{':
			if depth++; depth > maxNesting {
				return compilationError("the source nests deeper than %d brackets", maxNesting)
			}
		case ')', ']', '}':
			depth = max(depth-1, 0)
		}
	}
	big := false
	scanSource(source, func(t token) bool {
		big = t.first >= '0' && t.first <= '9' && source[t.end-1] == 'n'
		return !big
	})
	if big {
		return compilationError("there are no numbers of the kind BigInt")
	}
	return nil
}

// token is a word or a single character of a source, from byte at to byte end.
type token struct {
	at, end int
	first   byte
}

// scanSource calls fn with the tokens outside comments, strings and regular expressions, until
// it returns false. It is not a parser: it knows just enough to find brackets and words, and
// guesses from what comes before a slash whether it begins a regular expression.
func scanSource(s string, fn func(token) bool) {
	regexp := true // a slash here would begin one
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case strings.HasPrefix(s[i:], "//"):
			if n := strings.IndexAny(s[i:], "\r\n"); n >= 0 {
				i += n
			} else {
				i = len(s)
			}
		case strings.HasPrefix(s[i:], "/*"):
			if n := strings.Index(s[i+2:], "*/"); n >= 0 {
				i += n + 4
			} else {
				i = len(s)
			}
		case c == '"' || c == '\'' || c == '`':
			i = skipQuoted(s, i, c)
			regexp = false
		case c == '/' && regexp:
			i = skipRegexp(s, i)
			regexp = false
		case isWord(c):
			from := i
			for i < len(s) && isWord(s[i]) {
				i++
			}
			switch s[from:i] {
			case "return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do":
				regexp = true
			default:
				regexp = false
			}
			if !fn(token{from, i, c}) {
				return
			}
		default:
			regexp = c != ')' && c != ']' && c != '}'
			if !fn(token{i, i + 1, c}) {
				return
			}
			i++
		}
	}
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// skipQuoted returns the index after a string or a template.
func skipQuoted(s string, i int, quote byte) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		case '\n':
			if quote != '`' {
				return i
			}
		}
	}
	return len(s)
}

func skipRegexp(s string, i int) int {
	class := false
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '[':
			class = true
		case ']':
			class = false
		case '\n':
			return i
		case '/':
			if !class {
				return i + 1
			}
		}
	}
	return len(s)
}

// wrapAnonymous puts brackets around anonymous functions that are statements of their own, to
// make them expressions.
func wrapAnonymous(source string) string {
	var out strings.Builder
	depth := 0
	written := 0
	begins := true        // a statement begins here
	from := -1            // where the current anonymous function begins
	word := token{at: -1} // "function" (or async before it), just seen
	scanSource(source, func(t token) bool {
		if depth == 0 && word.at >= 0 && t.first == '(' && from < 0 {
			from = word.at
		}
		name := source[t.at:t.end]
		switch {
		case depth == 0 && begins && (name == "function" || name == "async"):
			word = t
		case word.at >= 0 && (name == "function" || name == "*"):
		default:
			word.at = -1
		}
		begins = false
		switch t.first {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
			if t.first == '}' && depth == 0 {
				begins = true
				if from >= 0 {
					out.WriteString(source[written:from])
					out.WriteString(";(" + source[from:t.end] + ");")
					written, from = t.end, -1
				}
			}
		case ';':
			begins = depth == 0
		}
		return true
	})
	out.WriteString(source[written:])
	return out.String()
}
