package config

import (
	"strings"
	"unicode/utf8"
)

// Terms returns a list that is written as Erlang writes it: ["text", {"text", "more"},
// {atom, 'quoted atom'}]. Each element is the texts of a tuple, or one text.
func (c *Config) Terms(section, name string) [][]string {
	value, _ := c.get(section, name, asTerms)
	list, _ := ParseTerms(value) // it has been checked
	return list
}

// ParseTerms reads a list of tuples and texts. An empty text stands for an empty list.
func ParseTerms(value string) (list [][]string, ok bool) {
	t := &terms{rest: strings.TrimSpace(value)}
	if t.rest == "" {
		return nil, true
	}
	if !t.take('[') {
		return nil, false
	}
	for !t.take(']') {
		if len(list) > 0 && !t.take(',') {
			return nil, false
		}
		element, ok := t.element()
		if !ok {
			return nil, false
		}
		list = append(list, element)
	}
	t.take('.')
	return list, t.rest == ""
}

// terms is what is left to read.
type terms struct{ rest string }

// take reads a character and the blanks behind it.
func (t *terms) take(c byte) bool {
	if t.rest == "" || t.rest[0] != c {
		return false
	}
	t.rest = strings.TrimSpace(t.rest[1:])
	return true
}

func (t *terms) element() (texts []string, ok bool) {
	if !t.take('{') {
		text, ok := t.text()
		return []string{text}, ok
	}
	for !t.take('}') {
		if len(texts) > 0 && !t.take(',') {
			return nil, false
		}
		text, ok := t.text()
		if !ok {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, len(texts) > 0
}

// text reads "text", <<"text">>, atom or 'atom'.
func (t *terms) text() (text string, ok bool) {
	if inner, is := strings.CutPrefix(t.rest, "<<"); is {
		t.rest = strings.TrimSpace(inner)
		text, ok = t.text()
		if !ok || !strings.HasPrefix(t.rest, ">>") {
			return "", false
		}
		t.rest = strings.TrimSpace(t.rest[2:])
		return text, true
	}
	if t.rest != "" && (t.rest[0] == '"' || t.rest[0] == '\'') {
		return t.quoted(t.rest[0])
	}
	end := strings.IndexFunc(t.rest, func(r rune) bool { return !strings.ContainsRune(atomCharacters, r) })
	if end < 0 {
		end = len(t.rest)
	}
	text, t.rest = t.rest[:end], strings.TrimSpace(t.rest[end:])
	return text, text != ""
}

const atomCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@"

// quoted reads a text with Erlang's escapes, up to its closing mark.
func (t *terms) quoted(mark byte) (text string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(t.rest); i++ {
		switch c := t.rest[i]; {
		case c == mark:
			t.rest = strings.TrimSpace(t.rest[i+1:])
			return b.String(), utf8.ValidString(b.String())
		case c == '\\' && i+1 < len(t.rest):
			i++
			if at := strings.IndexByte(escapes, t.rest[i]); at >= 0 {
				b.WriteByte(escaped[at])
			} else {
				b.WriteByte(t.rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// Characters behind a backslash, and what they stand for.
const (
	escapes = "nrtsbefv0"
	escaped = "\n\r\t \b\x1b\f\v\x00"
)
