// Package pattern limits the regular expressions that clients send. It runs before any parser:
// parsers take memory and time in proportion to their input, and recursive ones take stack for
// each bracket.
//
// The limits are those of PCRE in CouchDB. They hold for $regex in selectors and for
// expressions made by functions of design documents.
package pattern

import "errors"

const (
	// MaxLength is how many bytes an expression may have.
	MaxLength = 64 << 10
	// MaxNesting is how deep its groups may nest.
	MaxNesting = 250
)

var (
	// ErrLong says that an expression is too long.
	ErrLong = errors.New("regular expression is too large")
	// ErrNested says that groups nest too deep.
	ErrNested = errors.New("parentheses are too deeply nested")
)

// Check judges an expression. The error is ErrLong or ErrNested. The expression need not
// compile. Check looks at each byte once, at most MaxLength of them.
func Check(expression string) error {
	if len(expression) > MaxLength {
		return ErrLong
	}
	depth, inClass := 0, false
	for i := 0; i < len(expression); i++ {
		switch c := expression[i]; {
		case c == '\\':
			i++ // skip the escaped character
		case inClass:
			inClass = c != ']'
		case c == '[':
			inClass = true
			i += firstOfClass(expression[i+1:])
		case c == '(':
			if depth++; depth > MaxNesting {
				return ErrNested
			}
		case c == ')':
			depth = max(depth-1, 0)
		}
	}
	return nil
}

// firstOfClass is how many bytes begin a class before one that can end it: a bracket there is a
// member.
func firstOfClass(rest string) int {
	n := 0
	if n < len(rest) && rest[n] == '^' {
		n++
	}
	if n < len(rest) && rest[n] == ']' {
		n++
	}
	return n
}
