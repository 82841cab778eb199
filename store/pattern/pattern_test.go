package pattern

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("(", n) + strings.Repeat(")", n) }
	for _, c := range []struct {
		name, expression string
		want             error
	}{
		{"empty", "", nil},
		{"ordinary", `^(a|b)+[()](?:c)$`, nil},
		{"longest", strings.Repeat("a", MaxLength), nil},
		{"too long", strings.Repeat("a", MaxLength+1), ErrLong},
		{"deepest", nested(MaxNesting), nil},
		{"too deep", nested(MaxNesting + 1), ErrNested},
		{"not closed", strings.Repeat("(?=", MaxNesting+1), ErrNested},
		{"side by side", strings.Repeat("()", 1000), nil},
		{"escaped", strings.Repeat(`\(`, 1000), nil},
		{"in a class", "[" + strings.Repeat("(", 1000) + "]", nil},
		{"behind a class", "[]]" + strings.Repeat("(", 1000), ErrNested},
		{"behind a class that is turned around", "[^]]" + strings.Repeat("(", 1000), ErrNested},
		{"closed too often", strings.Repeat(")", 1000) + nested(MaxNesting+1), ErrNested},
		{"backslash at the end", `a\`, nil},
		{"class at the end", `a[^`, nil},
	} {
		if got := Check(c.expression); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
