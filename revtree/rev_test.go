package revtree

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef"
	tests := []struct {
		in   string
		want string // the text that comes back; "" for ErrBadRev
	}{
		{"1-" + hash, "1-" + hash},
		{"1-" + strings.ToUpper(hash), "1-" + hash},
		{"01-abc", "1-abc"},
		{"+1-abc", "1-abc"},
		{"0-a", "0-a"},
		{"1-ABC", "1-ABC"},
		{"1-", "1-"},
		{"1-a-b", "1-a-b"},
		{"1-é", "1-é"},
		{"99999999999999999999-a", "9223372036854775807-a"}, // well-formed, and nowhere
		{"184467440737095516160000000000000000000-a", "9223372036854775807-a"},
		{"", ""},
		{"1", ""},
		{"x", ""},
		{"a-1", ""},
		{"-a", ""},
		{"-1-a", ""},
		{"+-a", ""},
		{" 1-a", ""},
		{`"1-x"`, ""},
		{"1-gggggggggggggggggggggggggggggggg", ""},
		{"1-" + hash[:31] + "g", ""},
		{"1-" + strings.Repeat("a", MaxID), "1-" + strings.Repeat("a", MaxID)},
		{"1-" + strings.Repeat("a", MaxID+1), ""},
	}
	for _, tt := range tests {
		r, err := Parse(tt.in)
		switch {
		case tt.want == "":
			if !errors.Is(err, ErrBadRev) || !r.IsZero() {
				t.Errorf("%q: %v, %v, want ErrBadRev", tt.in, r, err)
			}
		case err != nil || r.String() != tt.want:
			t.Errorf("%q: %v, %v, want %s", tt.in, r, err, tt.want)
		}
	}
}

// The order in which CouchDB gave these as _conflicts.
func TestCompareOrder(t *testing.T) {
	for _, want := range [][]string{
		{"1-9", "1-Z", "1-a", "1-aa", "1-b", "1-z"},
		{
			"1-00000000000000000000000000000000", "1-!", "1-zz",
			"1-ffffffffffffffffffffffffffffffff",
		},
		{"2-z", "9-a", "10-a"},
	} {
		got := slices.Clone(want)
		slices.Reverse(got)
		slices.SortFunc(got, func(a, b string) int { return Compare(rev(t, a), rev(t, b)) })
		if !slices.Equal(got, want) {
			t.Errorf("sorted %v, want %v", got, want)
		}
	}
}

func rev(t testing.TB, s string) Rev {
	t.Helper()
	r, err := Parse(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return r
}

// What Parse takes comes back from its own text, and the order follows from equality.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"1-0123456789abcdef0123456789ABCDEF", "01-abc", "+3-", "1-a-b", "-1-a", "x", "99999999999999999999-a",
		"7-0123456789abcdef", "1-gggggggggggggggggggggggggggggggg",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			if err != ErrBadRev || r != (Rev{}) {
				t.Fatalf("%q: %v, %v", s, r, err)
			}
			return
		}
		if again, err := Parse(r.String()); err != nil || again != r {
			t.Fatalf("%q reads as %v, and that as %v, %v", s, r, again, err)
		}
		_, text, _ := strings.Cut(s, "-")
		if id, err := ParseID(text); err != nil || id != r.ID {
			t.Fatalf("%q: ID %q, ParseID %q, %v", s, r.ID, id, err)
		}
		other := Rev{Gen: r.Gen, ID: r.ID + "x"}
		if Compare(r, r) != 0 || Compare(r, other) >= 0 || cmp.Compare(Compare(other, r), 0) != 1 {
			t.Fatalf("%v and %v compare as %d", r, other, Compare(r, other))
		}
	})
}
