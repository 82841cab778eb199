package script

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
)

// goja reads \p{L} in a regular expression as the letters "p{L}", so what asks for letters finds
// none, and says nothing. Properties of characters are therefore spelled out before goja sees them:
// \p{L} becomes [A-Za-z…].

// maxSpelled is the most that an expression may grow to, in bytes. The letters take 8 KiB.
const maxSpelled = 1 << 20

var errLongExpression = errors.New("regular expression too large")

// compile is goja.Compile for the functions of design documents.
func compile(name, source string) (*goja.Program, error) {
	if !hasProperties(source) {
		return goja.Compile(name, source, false)
	}
	program, err := goja.Parse(name, source)
	if err != nil {
		return nil, err
	}
	if err := spellLiterals(program); err != nil {
		return nil, err
	}
	return goja.CompileAST(program, false)
}

func hasProperties(source string) bool {
	return strings.Contains(source, `\p{`) || strings.Contains(source, `\P{`)
}

// spellLiterals spells out all regular expressions of a program. goja has no walker of its trees,
// and they can be too deep for calls within calls.
func spellLiterals(program *ast.Program) error {
	seen := map[any]bool{}
	for waiting := []reflect.Value{reflect.ValueOf(program)}; len(waiting) > 0; {
		v := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		switch v.Kind() {
		case reflect.Interface:
			waiting = append(waiting, v.Elem())
		case reflect.Pointer:
			if v.IsNil() || seen[v.Interface()] {
				continue
			}
			seen[v.Interface()] = true
			literal, ok := v.Interface().(*ast.RegExpLiteral)
			if !ok {
				waiting = append(waiting, v.Elem())
			} else if strings.Contains(literal.Flags, "u") {
				pattern, err := spellProperties(literal.Pattern)
				if err != nil {
					return fmt.Errorf("SyntaxError: %w", err)
				}
				literal.Pattern = pattern
			}
		case reflect.Slice:
			for i := range v.Len() {
				waiting = append(waiting, v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					waiting = append(waiting, v.Field(i))
				}
			}
		}
	}
	return nil
}

// jsSpell is spellProperties for the constructor of regular expressions.
func (rt *runtime) jsSpell(c goja.FunctionCall) goja.Value {
	pattern := c.Argument(0).String()
	if !hasProperties(pattern) {
		return c.Argument(0)
	}
	spelled, err := spellProperties(pattern)
	if err != nil {
		e, failed := rt.js.New(rt.js.Get("SyntaxError"), rt.js.ToValue(err.Error()))
		if failed != nil {
			panic(failed)
		}
		panic(e)
	}
	return rt.js.ToValue(spelled)
}

// spellProperties spells out the properties in an expression that has the flag u.
func spellProperties(pattern string) (string, error) {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(pattern); {
		end := i + 1
		switch pattern[i] {
		case '[':
			inClass = true
		case ']':
			inClass = false
		case '\\':
			end = min(i+2, len(pattern))
			if !hasProperties(pattern[i:min(i+3, len(pattern))]) {
				break
			}
			name, _, closed := strings.Cut(pattern[i+3:], "}")
			set, known := propertyOf(name)
			if !closed || !known {
				return "", fmt.Errorf("invalid property name in regular expression: %s", name)
			}
			if pattern[i+1] == 'P' {
				set = set.others()
			}
			set.spell(&b, inClass)
			if b.Len() > maxSpelled {
				return "", errLongExpression
			}
			i += len(`\p{}`) + len(name)
			continue
		}
		b.WriteString(pattern[i:end])
		i = end
	}
	return b.String(), nil
}

// characters is a set of characters as ranges, in order and apart from each other.
type characters []characterRange

type characterRange struct{ first, last rune }

// propertyOf returns the characters of a property, by the names that JavaScript gives them. It knows
// those for which the standard library has the characters.
func propertyOf(name string) (set characters, known bool) {
	kind, value, qualified := strings.Cut(name, "=")
	if !qualified {
		value = name
	}
	switch {
	case qualified && (kind == "Script" || kind == "sc"):
		table := unicode.Scripts[value]
		return charactersOf(table), table != nil
	case qualified && kind != "General_Category" && kind != "gc":
		return nil, false
	}
	if short, ok := unicode.CategoryAliases[value]; ok {
		value = short
	}
	if table := unicode.Categories[value]; table != nil {
		return charactersOf(table), true
	}
	if qualified {
		return nil, false
	}
	switch value {
	case "Any":
		return characters(nil).others(), true
	case "ASCII":
		return characters{{0, unicode.MaxASCII}}, true
	case "Assigned":
		return charactersOf(unicode.Cn).others(), true
	case "Alphabetic", "Alpha":
		return charactersOf(unicode.L, unicode.Nl, unicode.Other_Alphabetic), true
	case "Uppercase", "Upper":
		return charactersOf(unicode.Lu, unicode.Other_Uppercase), true
	case "Lowercase", "Lower":
		return charactersOf(unicode.Ll, unicode.Other_Lowercase), true
	case "space":
		value = "White_Space"
	}
	if strings.HasPrefix(value, "Other_") { // parts of properties, which JavaScript does not know
		return nil, false
	}
	table := unicode.Properties[value]
	return charactersOf(table), table != nil
}

func charactersOf(tables ...*unicode.RangeTable) (set characters) {
	add := func(first, last, stride rune) {
		if stride == 1 {
			set = append(set, characterRange{first, last})
			return
		}
		for c := first; c <= last; c += stride {
			set = append(set, characterRange{c, c})
		}
	}
	for _, table := range tables {
		if table == nil {
			continue
		}
		for _, r := range table.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range table.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	slices.SortFunc(set, func(a, b characterRange) int { return cmp.Compare(a.first, b.first) })
	joined := set[:0]
	for _, r := range set {
		if n := len(joined); n > 0 && r.first <= joined[n-1].last+1 {
			joined[n-1].last = max(joined[n-1].last, r.last)
		} else {
			joined = append(joined, r)
		}
	}
	return joined
}

// others returns all characters that are not in the set.
func (set characters) others() (rest characters) {
	next := rune(0)
	for _, r := range set {
		if r.first > next {
			rest = append(rest, characterRange{next, r.first - 1})
		}
		next = r.last + 1
	}
	if next <= unicode.MaxRune {
		rest = append(rest, characterRange{next, unicode.MaxRune})
	}
	return rest
}

// Halves of pairs of UTF-16 are no characters for goja's expressions.
const firstHalf, lastHalf = 0xd800, 0xdfff

// spell writes the set as a class, or as a part of one.
func (set characters) spell(b *strings.Builder, inClass bool) {
	if !inClass {
		b.WriteByte('[')
		defer b.WriteByte(']')
	}
	for _, r := range set {
		for _, r := range []characterRange{{r.first, min(r.last, firstHalf-1)}, {max(r.first, lastHalf+1), r.last}} {
			if r.first > r.last {
				continue
			}
			spellCharacter(b, r.first)
			if r.first < r.last {
				b.WriteByte('-')
				spellCharacter(b, r.last)
			}
		}
	}
}

func spellCharacter(b *strings.Builder, c rune) {
	if c > 0xffff {
		b.WriteRune(c)
	} else {
		fmt.Fprintf(b, `\u%04x`, c)
	}
}
