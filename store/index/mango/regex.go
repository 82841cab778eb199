package mango

import (
	"fmt"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/tododb/tododb/store/jsonscan"
)

const (
	// regexLimit is how long one pattern may take over one value.
	regexLimit = 100 * time.Millisecond
	// maxSlow is how many values may take a pattern that long. Then the query ends: it
	// would keep a processor busy for as long as there are documents.
	maxSlow = 20
)

// A pattern is what PCRE takes, and as in CouchDB it sees bytes. PCRE and what stands in
// for it here try one way after the other through a text, which may take for ever; most
// patterns need no more than Go's own regexp, which takes time in proportion to the text.

func compilesAsRegex(pattern string) bool {
	if linear(pattern) {
		return true
	}
	_, err := regexp2.Compile(latin1(pattern), regexp2.None)
	return err == nil
}

// compileRegex makes the test of a pattern that compiles.
func compileRegex(pattern string) (test, error) {
	slow, err := compileBacktracking(pattern)
	if err != nil {
		return nil, invalidOperator("$regex")
	}
	var fast *regexp.Regexp
	if linear(pattern) {
		if fast, err = regexp.Compile(pattern); err != nil {
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
		return slow(m, string(m.key))
	}, nil
}

func compileBacktracking(pattern string) (func(m *match, s string) bool, error) {
	re, err := regexp2.Compile(latin1(pattern), regexp2.None)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = regexLimit
	var late atomic.Int32
	return func(m *match, s string) bool {
		if late.Load() >= maxSlow {
			m.err = &Error{"regex_too_slow", fmt.Sprintf("$regex takes more than %v for a value, and has for %d of them: %s", regexLimit, maxSlow, pattern)}
			return false
		}
		ok, err := re.MatchString(latin1(s))
		if err != nil { // as in CouchDB what takes too long does not match
			late.Add(1)
		}
		return ok && err == nil
	}, nil
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// latin1 makes a character of each byte.
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
