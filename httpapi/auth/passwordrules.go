package auth

import (
	"errors"
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"

	"github.com/tododb/tododb/store/pattern"
)

// BadPassword says why a new password is refused. It never shows the password.
type BadPassword struct{ Reason string }

func (e *BadPassword) Error() string { return e.Reason }

// passwordRules are expressions that every new password of a user must match.
type passwordRules struct {
	all []passwordRule
	err error // why there are no rules, although some have been set
}

type passwordRule struct {
	expression *regexp2.Regexp
	reason     string // shown to somebody whose password does not match; "" shows nothing
}

// What one expression may take for one password.
const (
	ruleTime  = time.Second
	ruleStack = 1 << 20
)

// parsePasswordRules reads [chttpd_auth] password_regexp, a list in Erlang's form whose elements
// are "EXPRESSION", {"EXPRESSION"} or {"EXPRESSION", "REASON"}. Empty text has no rules.
func parsePasswordRules(text string) (rules passwordRules) {
	if strings.TrimSpace(text) == "" {
		return passwordRules{}
	}
	s := termScanner{text}
	if !s.take('[') {
		return passwordRules{err: errBadRules}
	}
	for !s.take(']') {
		if len(rules.all) > 0 && !s.take(',') {
			return passwordRules{err: errBadRules}
		}
		rule, err := s.rule()
		if err != nil {
			return passwordRules{err: err}
		}
		rules.all = append(rules.all, rule)
	}
	if s.rest = strings.TrimSpace(s.rest); s.rest != "" {
		return passwordRules{err: errBadRules}
	}
	return rules
}

var errBadRules = errors.New(`not a list of "EXPRESSION" and {"EXPRESSION", "REASON"}`)

// check tells why a password is refused. If the rules cannot be applied, no password is good.
func (r *passwordRules) check(password string) error {
	if r.err != nil {
		return errNoRules
	}
	for _, rule := range r.all {
		matches, err := rule.expression.MatchString(password)
		if err != nil {
			return errNoRules // it takes too much
		}
		if !matches {
			return &BadPassword{strings.TrimSpace("Password does not conform to requirements. " + rule.reason)}
		}
	}
	return nil
}

var errNoRules = refuse("Server cannot hash passwords at this time.")

// CheckPassword tells why a new password of a user is refused. The error is *BadPassword, or
// *Refusal if the rules for passwords cannot be applied.
func (a *Authenticator) CheckPassword(password string) error {
	return a.set.Load().passwordRules.check(password)
}

// termScanner reads a term in Erlang's form, from its beginning.
type termScanner struct{ rest string }

// take skips a character, and space before it. It returns false if something else comes.
func (s *termScanner) take(c byte) bool {
	s.rest = strings.TrimLeft(s.rest, " \t\r\n")
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *termScanner) rule() (rule passwordRule, err error) {
	tuple := s.take('{')
	expression, ok := s.text()
	if !ok {
		return rule, errBadRules
	}
	if tuple && s.take(',') {
		if rule.reason, ok = s.text(); !ok {
			return rule, errBadRules
		}
	}
	if tuple && !s.take('}') {
		return rule, errBadRules
	}
	if err := pattern.Check(expression); err != nil {
		return rule, err
	}
	rule.expression, err = regexp2.Compile(expression, regexp2.OptionMaxBacktrackingStackSize(ruleStack))
	if err == nil {
		rule.expression.MatchTimeout = ruleTime
	}
	return rule, err
}

// text reads text in quotation marks. A backslash stands before a character that is meant as it
// is: \\d in the settings is \d in the expression.
func (s *termScanner) text() (string, bool) {
	if !s.take('"') {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; c {
		case '"':
			s.rest = s.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i == len(s.rest) {
				return "", false
			}
			fallthrough
		default:
			b.WriteByte(s.rest[i])
		}
	}
	return "", false
}
