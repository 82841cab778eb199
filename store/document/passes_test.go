package document

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/jsonscan"
)

// naiveMembers are the members of an object, of repeated names the last.
func naiveMembers(object []byte) (names []string, values map[string][]byte) {
	values = map[string][]byte{}
	_ = jsonscan.EachMember(object, func(name, value []byte) error {
		n := string(name)
		names = append(slices.DeleteFunc(names, func(s string) bool { return s == n }), n)
		values[n] = bytes.Clone(value)
		return nil
	})
	return names, values
}

// naiveTerm is the Erlang term of a value, made in a pass of its own.
func naiveTerm(value []byte) []byte {
	word := func(s string) []byte { return append([]byte{'d', 0, byte(len(s))}, s...) }
	text := func(s string) []byte { return append(binary.BigEndian.AppendUint32([]byte{'m'}, uint32(len(s))), s...) }
	list := func(parts [][]byte) []byte {
		if len(parts) == 0 {
			return []byte{'j'}
		}
		b := binary.BigEndian.AppendUint32([]byte{'l'}, uint32(len(parts)))
		return append(append(b, bytes.Join(parts, nil)...), 'j')
	}
	switch value = bytes.TrimSpace(value); value[0] {
	case 't', 'f', 'n':
		return word(string(value))
	case '"':
		var s string
		_ = json.Unmarshal(value, &s)
		return text(s)
	case '[':
		var parts [][]byte
		small := []byte{}
		_ = jsonscan.EachElement(value, func(v []byte) error {
			parts = append(parts, naiveTerm(v))
			if last := parts[len(parts)-1]; last[0] == 'a' {
				small = append(small, last[1])
			}
			return nil
		})
		if n := len(parts); n > 0 && n == len(small) && n <= 65535 {
			return append([]byte{'k', byte(n >> 8), byte(n)}, small...)
		}
		return list(parts)
	case '{':
		var parts [][]byte
		names, values := naiveMembers(value)
		for _, name := range names {
			parts = append(parts, append(append([]byte{'h', 2}, text(name)...), naiveTerm(values[name])...))
		}
		return append([]byte{'h', 1}, list(parts)...)
	}
	n, whole := new(big.Int).SetString(string(value), 10)
	switch {
	case !whole:
		var f float64
		_ = json.Unmarshal(value, &f)
		b, _ := binary.Append([]byte{'F'}, binary.BigEndian, f)
		return b
	case n.IsInt64() && n.Int64() >= 0 && n.Int64() < 256:
		return []byte{'a', byte(n.Int64())}
	case n.IsInt64() && n.Int64() == int64(int32(n.Int64())):
		return binary.BigEndian.AppendUint32([]byte{'b'}, uint32(n.Int64()))
	}
	magnitude := n.Bytes()
	slices.Reverse(magnitude)
	return append([]byte{'n', byte(len(magnitude)), byte((1 - n.Sign()) / 2)}, magnitude...)
}

// naiveAttachment says of an attachment, given its JSON, what is wrong with it, or else
// what bytes stand there.
func naiveAttachment(name string, value []byte) (data []byte, wrong string) {
	if strings.HasPrefix(name, "_") {
		return nil, fmt.Sprintf("Attachment name '%s' starts with prohibited character '_'", name)
	}
	text, noText, noLength := []byte(nil), false, false
	_ = jsonscan.EachMember(value, func(member, v []byte) error {
		switch string(member) {
		case "data":
			text, noText = v, noText || v[0] != '"'
		case "length", "encoded_length":
			n, ok := new(big.Int).SetString(string(v), 10)
			noLength = noLength || !ok || n.Sign() < 0 || v[0] == '-' || len(v) > 18
		}
		return nil
	})
	_, said := naiveMembers(value)
	follows, bad := string(said["follows"]) == "true", "Invalid attachment data for "+name
	switch {
	case noText:
		return nil, bad
	case follows && noLength:
		return nil, fmt.Sprintf("The length of attachment %s is none", name)
	case follows, string(said["stub"]) == "true":
		return nil, ""
	case text == nil:
		return nil, bad
	}
	var s string
	_ = json.Unmarshal(text, &s)
	s = strings.NewReplacer(" ", "", "\t", "", "\n", "", "\r", "").Replace(s)
	data, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, bad
	}
	return data, ""
}

// One pass over a document gives what a pass for each of its parts gives, whatever the
// document is for: the body, the revision id of an edit, and the attachments or what is
// wrong with them.
func FuzzOnePass(f *testing.F) {
	for _, seed := range []string{
		`{"_id":"a","_rev":"1-a","x":[1,2,300],"y":{"a":1,"a":2},"\u0061":1,"z":[],"w":{},"f":1e3,"g":-0,"b":[0,255],"i":-123456789012345678901234567890,"n":null}`,
		`{"_attachments":{"f":{"data":"aGk=","content_type":"a/b","revpos":3},"g":{"stub":true,"digest":"md5-x"},"f":{"data":" a G k = "}},"_revisions":{"start":2,"ids":["a","b"]}}`,
		`{"_attachments":{"f":{"follows":true,"length":-1,"encoded_length":99999999999999999999}},"v":[{"data":[true,false]}]}`,
		`{"_attachments":{"f":{"data":"a\u0047k="},"_x":{"stub":true}},"_attachments":{"z":5,"y":{"data":5}}}`,
		`{"_attachments":{"f":{"data":"aGk"}}}`, `{"_attachments":{"f":{"data":"aGl="}}}`, `{"_attachments":{"f":{"data":"===="},"e":{"data":""}}}`,
		`{"_id":"_local/x","_attachments":{"f":{"data":"aGk"}},"_revisions":{"start":0,"ids":["a","b"]},"_replication_id":"x","_deleted":true}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, src []byte, local bool) {
		d, err := Parse(src, Options{Local: local})
		if err != nil {
			return // TestParseErrors is about them
		}
		names, values := naiveMembers(src)
		var body bytes.Buffer
		body.WriteByte('{')
		for _, name := range names {
			if !strings.HasPrefix(name, "_") || ofBody([]byte(name)) {
				if body.Len() > 1 {
					body.WriteByte(',')
				}
				body.Write(jsonscan.AppendString(nil, name))
				body.WriteByte(':')
				body.Write(values[name])
			}
		}
		body.WriteByte('}')
		term := naiveTerm(body.Bytes())
		if got := naiveTerm(d.Body); !bytes.Equal(got, term) {
			t.Fatalf("%q becomes %q", src, d.Body)
		}
		deleted := "false"
		if string(values["_deleted"]) == "true" {
			deleted = "true"
		}
		whole := append([]byte{131, 'l', 0, 0, 0, 5, 'd', 0, byte(len(deleted))}, deleted...)
		whole = append(append(append(whole, 'a', 0, 'a', 0), term...), 'j', 'j')
		sum := md5.Sum(whole)
		if got := revID(t, &d, revtree.Rev{}); got.Gen != 1 || got.ID != string(sum[:]) {
			t.Errorf("%q is revision %s, want %x", src, got, sum)
		}

		want, wrong := map[string][]byte{}, ""
		var order []string
		_ = jsonscan.EachMember(values["_attachments"], func(name, value []byte) error {
			if n := string(name); value[0] == '{' && wrong == "" {
				want[n], wrong = naiveAttachment(n, value)
				order = append(slices.DeleteFunc(order, func(s string) bool { return s == n }), n)
			}
			return nil
		})
		if err := d.CheckAttachments(); err != nil || wrong != "" {
			if err == nil || err.Error() != wrong {
				t.Errorf("%q: %v, want %q", src, err, wrong)
			}
			return
		}
		var came []string
		for i := range d.Attachments {
			a := &d.Attachments[i]
			came = append(came, a.Name)
			got, err := io.ReadAll(a.Inline())
			if !a.Stub && !a.Follows && (err != nil || !bytes.Equal(got, want[a.Name]) || a.Size != int64(len(got))) {
				t.Errorf("%q: %q has %q of %d bytes, %v, want %q", src, a.Name, got, a.Size, err, want[a.Name])
			}
		}
		if !slices.Equal(came, order) {
			t.Errorf("%q has attachments %q, want %q", src, came, order)
		}
	})
}
