package auth

import (
	"errors"
	"strings"
	"testing"
)

func TestPasswordRules(t *testing.T) {
	const conforms = "Password does not conform to requirements."
	rules := parsePasswordRules(` [ {".{10,}"}, {"[A-Z]+", "Requirement 2."},{"[a-z]+",""} , {"\\d+", "A \"digit\"."}, "[!.,()]+", "^(?=.*x)" ] `)
	for _, c := range []struct{ password, reason string }{
		{"short", conforms}, {"lowercasexx", conforms + " Requirement 2."}, {"UPPERCASEXX", conforms},
		{"bothOfThemxx", conforms + ` A "digit".`}, {"bothOfThemx1", conforms}, {"bothOfThem1!", conforms}, {"bothOfThemx1!", ""},
	} {
		err := rules.check(c.password)
		bad, is := errors.AsType[*BadPassword](err)
		if is != (c.reason != "") || is && bad.Reason != c.reason || !is && err != nil {
			t.Errorf("%q: %v, want %q", c.password, err, c.reason)
		}
	}
	for _, none := range []string{"", "  ", "[]", " [ ] "} {
		if rules := parsePasswordRules(none); rules.check("") != nil {
			t.Errorf("%q refuses a password", none)
		}
	}
}

// No password gets in by rules that nobody can read, or that take too long.
func TestPasswordRulesThatCannotBeApplied(t *testing.T) {
	for _, text := range []string{
		`{{".{10,}"}}`, `[{".{10,}"]`, `[`, `["a"`, `["a" "b"]`, `["a",]`, `["(("]`, `"a"`, `[a]`, `["a"] x`, `[{"a","b","c"}]`, `["a\`,
		`["^(a+)+$"]`,
	} {
		rules := parsePasswordRules(text)
		err := rules.check(strings.Repeat("a", 40) + "!")
		if _, is := errors.AsType[*Refusal](err); !is {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzPasswordRules(f *testing.F) {
	f.Add(`["a", {"b"}, {"c", "d\\e\""}]`)
	f.Add(`[{"a"]`)
	f.Fuzz(func(t *testing.T, text string) {
		rules := parsePasswordRules(text)
		if rules.err != nil && rules.check("x") == nil {
			t.Errorf("%q cannot be read and lets a password in", text)
		}
	})
}
