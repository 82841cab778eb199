package mango

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"

	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/pattern"
)

const (
	// regexLimit is how long one pattern may take over one value. If a value takes longer, the
	// query ends: nobody knows whether the document would match.
	regexLimit = time.Second
	// regexStack is how many backtracking positions a match may keep, in words.
	regexStack = 1 << 20
)

// Patterns are PCRE and, as in CouchDB, see bytes. PCRE and its replacement here try one way
// after another through a text, which may take forever. Most patterns need no more than Go's
// own regexp, which takes time in proportion to the text.

func compilesAsRegex(expression string) bool {
	if pattern.Check(expression) != nil {
		return false
	}
	if linear(expression) {
		return true
	}
	_, err := compileBacktracking(expression)
	return err == nil
}

// compileRegex makes the test of a pattern that compiles.
func (c *compiler) compileRegex(arg []byte) (test, error) {
	expression := text(arg)
	if c.patterns += len(expression); c.patterns > maxPatterns {
		return nil, &Error{"invalid_selector", fmt.Sprintf("The patterns of the selector have more than %d bytes.", maxPatterns)}
	}
	if pattern.Check(expression) != nil {
		return nil, badArg("$regex", arg)
	}
	slow, err := compileBacktracking(expression)
	if err != nil {
		return nil, badArg("$regex", arg)
	}
	var fast *regexp.Regexp
	if linear(expression) {
		if fast, err = regexp.Compile(expression); err != nil {
			fast = nil
		}
	}
	return func(m *match, v []byte) bool {
		if jsonscan.Kind(v) != '"' {
			return false
		}
		m.key = jsonscan.AppendText(m.key[:0], v)
		if fast != nil && ascii(m.key) {
			return fast.Match(m.key)
		}
		ok, err := slow.MatchString(latin1(string(m.key)))
		if err != nil {
			m.err = &Error{"regex_too_slow", fmt.Sprintf("$regex takes more than %v, or too many steps back, for a value: %s", regexLimit, shorten(expression))}
		}
		return ok && err == nil
	}, nil
}

func compileBacktracking(expression string) (*regexp2.Regexp, error) {
	re, err := regexp2.Compile(latin1(expression), regexp2.OptionMaxBacktrackingStackSize(regexStack))
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = regexLimit
	return re, nil
}

// linear reports whether Go's regexp, which takes time in proportion to the text, gives PCRE's
// answers for a pattern over ASCII.
func linear(expression string) bool {
	for i := range len(expression) {
		switch c := expression[i]; {
		case c < 0x20 || c > 0x7e || strings.IndexByte(`\{$`, c) >= 0:
			return false
		case c == '(' && i+1 < len(expression) && expression[i+1] == '?', c == '[' && i+1 < len(expression) && (expression[i+1] == ':' || expression[i+1] == ']'):
			return false
		case c == '+' && i > 0 && strings.IndexByte("*+?", expression[i-1]) >= 0: // possessive
			return false
		}
	}
	_, err := syntax.Parse(expression, syntax.Perl)
	return err == nil
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// latin1 turns each byte into a character.
func latin1(s string) string {
	if ascii([]byte(s)) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
