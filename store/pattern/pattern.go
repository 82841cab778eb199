// Package pattern says what a regular expression that a client sends may be like. It is
// asked before any parser sees the expression: parsers take memory and time in proportion
// to what they are given, and those that call themselves for each bracket take stack.
//
// The bounds are those of PCRE as CouchDB has it. They hold for $regex of selectors and for
// expressions that functions of design documents make.
package pattern

import "errors"

const (
	// MaxLength is how many bytes an expression may have.
	MaxLength = 64 << 10
	// MaxNesting is how deep its groups may stand within each other.
	MaxNesting = 250
)

var (
	// ErrLong is what Check says of an expression that is too long.
	ErrLong = errors.New("regular expression is too large")
	// ErrNested is what it says of one whose groups nest too deep.
	ErrNested = errors.New("parentheses are too deeply nested")
)

// Check judges an expression: ErrLong, ErrNested. It need not be one that compiles. The cost
// is one look at each byte, at most MaxLength of them.
func Check(expression string) error {
	if len(expression) > MaxLength {
		return ErrLong
	}
	depth, inClass := 0, false
	for i := 0; i < len(expression); i++ {
		switch c := expression[i]; {
		case c == '\\':
			i++ // what it takes the meaning from
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

// firstOfClass is how many bytes stand at the beginning of a class before one that may end
// it: a bracket there is a member.
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
