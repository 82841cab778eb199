package collate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"github.com/tododb/tododb/store/jsonscan"
)

// model is the order written down directly.
type model struct {
	order Order
	col   *collate.Collator
}

func (m model) rank(v []byte) int {
	kinds := "nft1\"[{"
	if m.order == Raw {
		kinds = "1fnt{[\""
	}
	kind := jsonscan.Kind(v)
	if bytes.IndexByte([]byte("nft\"[{"), kind) < 0 {
		kind = '1'
	}
	return bytes.IndexByte([]byte(kinds), kind)
}

func number(raw []byte) *big.Rat {
	r := new(big.Rat)
	if _, float, _ := jsonscan.SkipNumber(raw, 0); float {
		f, _ := jsonscan.Float(raw)
		return r.SetFloat64(f)
	}
	r.SetString(string(raw))
	return r
}

func (m model) strings(a, b []byte) int {
	if m.order == Raw {
		return bytes.Compare(jsonscan.AppendText(nil, a), jsonscan.AppendText(nil, b))
	}
	text := func(s []byte) []byte { return bytes.ReplaceAll(jsonscan.AppendText(nil, s), replacement, almostLast) }
	return m.col.Compare(text(a), text(b))
}

// parts lists the elements of an array, or the names and values of an object.
func parts(v []byte) (out [][]byte) {
	if v[0] == '[' {
		jsonscan.EachElement(v, func(e []byte) error { out = append(out, e); return nil })
		return out
	}
	jsonscan.EachMember(v, func(name, value []byte) error {
		out = append(out, jsonscan.AppendString(nil, name), value)
		return nil
	})
	return out
}

func (m model) compare(a, b []byte) int {
	if c := cmp.Compare(m.rank(a), m.rank(b)); c != 0 {
		return c
	}
	switch a[0] {
	case 'n', 't', 'f':
		return 0
	case '"':
		return m.strings(a, b)
	case '[', '{':
		return slices.CompareFunc(parts(a), parts(b), m.compare)
	}
	return number(a).Cmp(number(b))
}

var texts = rapid.OneOf(
	rapid.StringMatching(`[aAbB \-_0-9]{0,4}`),
	rapid.SampledFrom([]string{"é", "e\u0301", "É", "e", "ß", "ss", "\u00ad", "a\u0000", "中", "😀", "\ufff0", "\uffff", "ﬁ", "fi", "\u0001", "\t", "\n"}),
	rapid.StringN(0, 6, -1),
)

var numbers = rapid.OneOf(
	rapid.Map(rapid.Int64(), func(n int64) string { return fmt.Sprint(n) }),
	rapid.Map(rapid.IntRange(-3, 3), func(n int) string { return fmt.Sprint(n) }),
	rapid.Map(rapid.Float64(), func(f float64) string { b, _ := json.Marshal(f); return string(b) }),
	rapid.Map(rapid.IntRange(-2, 2), func(n int) string { return fmt.Sprint(1<<53 + n) }),
	rapid.StringMatching(`-?[1-9][0-9]{14,40}`),
	rapid.StringMatching(`-?[1-9][0-9]{306,312}`),
	rapid.SampledFrom([]string{"0", "-0", "-0.0", "0.0", "1.0", "1e0", "9007199254740993", "9007199254740992.0", "-9007199254740993", "1e300", "1e-320"}),
)

func values(depth int) *rapid.Generator[string] {
	quoted := rapid.Map(texts, func(s string) string { return string(jsonscan.AppendString(nil, s)) })
	scalars := rapid.OneOf(rapid.SampledFrom([]string{"null", "false", "true", "[]", "{}"}), numbers, quoted)
	if depth == 0 {
		return scalars
	}
	list := rapid.SliceOfN(values(depth-1), 0, 3)
	return rapid.OneOf(scalars,
		rapid.Map(list, func(l []string) string { return "[" + join(l) + "]" }),
		rapid.Map(rapid.SliceOfNDistinct(rapid.StringMatching(`[abA]{0,2}`), 0, 3, rapid.ID), func(names []string) string {
			var members []string
			for i, n := range names {
				members = append(members, fmt.Sprintf("%q:%s", n, values(0).Example(i)))
			}
			return "{" + join(members) + "}"
		}))
}

func join(l []string) (s string) {
	for i, v := range l {
		if i > 0 {
			s += ","
		}
		s += v
	}
	return s
}

func TestOrder(t *testing.T) {
	for _, order := range []Order{Unicode, Raw} {
		m := model{order, collate.New(language.Und)}
		rapid.Check(t, func(t *rapid.T) {
			a, b := values(2).Draw(t, "a"), values(2).Draw(t, "b")
			check(t, m, a, b)
		})
	}
}

type fataler interface {
	Fatalf(string, ...any)
}

func check(t fataler, m model, a, b string) {
	ka, err := m.order.AppendKey(nil, []byte(a))
	if err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	kb, err := m.order.AppendKey(nil, []byte(b))
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if got, want := bytes.Compare(ka, kb), m.compare([]byte(a), []byte(b)); got != want {
		t.Fatalf("%s and %s: %d, want %d (%x, %x)", a, b, got, want, ka, kb)
	}
	if !bytes.Equal(ka, kb) && (bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka)) {
		t.Fatalf("%s and %s: one key begins the other: %x, %x", a, b, ka, kb)
	}
}

// The fast path for ASCII gives the bytes that the collator gives.
func TestASCII(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SliceOfN(rapid.ByteRange(0, 127), 0, 12).Draw(t, "text")
		if fast, slow := appendCollated(nil, s), appendUnicode(nil, s); !bytes.Equal(fast, slow) {
			t.Fatalf("%q: %x, the collator has %x", s, fast, slow)
		}
	})
}

// What the format relies on holds for every character.
func TestWeights(t *testing.T) {
	c := newCollator()
	for r := rune(0); r <= 0x10ffff; r++ {
		c.read([]byte(string(r)))
		for _, w := range c.secondary {
			if w < commonSecondary || w > 0xfff {
				t.Fatalf("%U: secondary weight %x", r, w)
			}
		}
		for _, w := range c.tertiary {
			if w < commonTertiary {
				t.Fatalf("%U: tertiary weight %x", r, w)
			}
		}
		if len(c.primary) > 0 && (c.primary[0] == 0 || c.primary[0] == After) {
			t.Fatalf("%U: primary weight %x", r, c.primary)
		}
	}
}

func TestKnownOrder(t *testing.T) {
	for order, list := range map[Order][]string{
		Unicode: {"null", "false", "true", "-1e300", "-1", "0", "0.5", "1", "2", "9007199254740992", "9007199254740993", "9007199254740994.0", `""`, `" "`, `"_"`, `"-"`, `"$"`, `"0"`, `"1"`, `"a"`, `"A"`, `"aa"`, `"b"`, `"B"`, `"ba"`, `"z"`, `"中"`, `"\ufffd"`, `"\uffff"`, `[]`, `[null]`, `[1]`, `[1,2]`, `["a"]`, `[[]]`, `[{}]`, `{}`, `{"a":1}`, `{"a":2}`, `{"a":2,"b":0}`, `{"b":1}`},
		Raw:     {"-1", "1", "2.5", "false", "null", "true", `{}`, `{"a":1}`, `[]`, `[1]`, `[1,2]`, `[{}]`, `[[]]`, `""`, `"A"`, `"Z"`, `"a"`, `"aa"`, `"b"`, `"é"`},
	} {
		for i := range list {
			for j := range list {
				a, errA := order.AppendKey(nil, []byte(list[i]))
				b, errB := order.AppendKey(nil, []byte(list[j]))
				if errA != nil || errB != nil || bytes.Compare(a, b) != cmp.Compare(i, j) {
					t.Errorf("%d: %s and %s: %v %v %x %x", order, list[i], list[j], errA, errB, a, b)
				}
			}
		}
	}
}

func FuzzAppendKey(f *testing.F) {
	f.Add([]byte(`{"a":[1,"é\u0000"]}`), []byte(` 12345678901234567890 `))
	f.Add([]byte(`"a`), []byte(`[`))
	m := model{Unicode, collate.New(language.Und)}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, v := range [][]byte{a, b} {
			if _, err := AppendKey(nil, v); (err == nil) != jsonscan.Valid(v) {
				t.Fatalf("%q: %v", v, err)
			}
		}
		if ta, err := jsonscan.Trim(a); err == nil {
			if tb, err := jsonscan.Trim(b); err == nil {
				check(t, m, string(ta), string(tb))
			}
		}
	})
}

func BenchmarkAppendKey(b *testing.B) {
	for name, key := range map[string]string{"ascii": `"user-000123@example.com"`, "unicode": `"Zoë Müller"`, "number": "123456", "array": `["order",2024,"x"]`} {
		b.Run(name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = AppendKey(dst[:0], []byte(key))
			}
		})
	}
}
