package transfer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// read reads all of a file: its documents, and what is wrong with the rest.
func read(t *testing.T, text string, opt ReadOptions) (docs, bad []string, err error) {
	t.Helper()
	r, err := NewReader(strings.NewReader(text), opt)
	if err != nil {
		t.Fatal(err)
	}
	for {
		item, err := r.Next()
		if one, is := errors.AsType[*BadItem](err); is {
			bad = append(bad, one.At)
			continue
		}
		if err == io.EOF {
			return docs, bad, nil
		}
		if err != nil {
			return docs, bad, err
		}
		docs = append(docs, string(item.Doc))
	}
}

func TestFormsOfFiles(t *testing.T) {
	t.Parallel()
	const number = `{"_id":"a","n":12345678901234567890.10,"m":1e2}`
	long := `{"_id":"long","text":"` + strings.Repeat("x", 2*peeked) + `"}`
	for name, c := range map[string]struct {
		text   string
		format string
		want   []string
		bad    []string
	}{
		"lines":                            {text: number + "\n\n  {\"b\":[1]}\r\n", want: []string{number, `{"b":[1]}`}},
		"no newline at the end":            {text: number, want: []string{number}},
		"bad lines":                        {text: number + "\n{\"b\":\n[1,2]\nnull\n{}\n", want: []string{number, `{}`}, bad: []string{"line 2", "line 3, document 1", "line 3, document 2", "line 4"}},
		"a first line that is bad":         {text: "# a comment\n" + number, format: "ndjson", want: []string{number}, bad: []string{"line 1"}},
		"empty":                            {},
		"an array":                         {text: "[" + number + ",\n{\"b\":2}]", want: []string{number, `{"b":2}`}},
		"an array with blanks":             {text: "\n[\n  " + number + "\n]\n", want: []string{number}},
		"an empty array":                   {text: "[]"},
		"an array with others":             {text: "[\n1," + number + "]", want: []string{number}, bad: []string{"document 1"}},
		"an array in one line with others": {text: `[1,` + number + `,null]`, want: []string{number}, bad: []string{"line 1, document 1", "line 1, document 3"}},
		"_all_docs of keys, in one line":   {text: `{"rows":[{"key":"x","error":"not_found"},{"doc":` + number + `}]}`, want: []string{number}, bad: []string{"line 1, document 1"}},
		"a broken first line":              {text: "{\"s\":\"a\x00b\"}\n" + number + "\n", want: []string{number}, bad: []string{"line 1"}},
		"a byte order mark":                {text: "\xef\xbb\xbf" + number + "\r\n{}\r\n", want: []string{number, "{}"}},
		"a byte order mark, ndjson":        {text: "\xef\xbb\xbf" + number, format: "ndjson", want: []string{number}},
		"a table in another code":          {text: "_id,name\na,\xe9\nb,x\n", format: "csv", want: []string{`{"_id":"b","name":"x"}`}, bad: []string{"line 2"}},
		"documents over lines":             {text: "{\n \"a\": 1.0\n}\n{\n \"a\": 2\n}", want: []string{`{"a":1.0}`, `{"a":2}`}},
		"a long first line":                {text: long + "\n" + number, want: []string{long, number}},
		"a long array in one line":         {text: "[" + long + "," + number + "]", want: []string{long, number}},
		"_all_docs":                        {text: "{\"total_rows\":2,\"offset\":0,\"rows\":[\n{\"id\":\"a\",\"key\":\"a\",\"value\":{\"rev\":\"1-a\"},\"doc\":" + number + "},\n{\"id\":\"b\",\"key\":\"b\",\"value\":{}}\n]}\n", want: []string{number}, bad: []string{"document 2"}},
		"_all_docs in one line":            {text: `{"total_rows":1,"offset":0,"rows":[{"id":"a","doc":` + number + `}]}`, want: []string{number}},
		"_changes":                         {text: "{\"results\":[\n{\"seq\":\"1-x\",\"id\":\"a\",\"changes\":[],\"doc\":" + number + "}\n],\n\"last_seq\":\"1-x\",\"pending\":0}", want: []string{number}},
		"_bulk_docs":                       {text: `{"new_edits":false,"docs":[` + number + `]}`, want: []string{number}},
		"_find":                            {text: "{\"docs\":[\n" + number + "\n],\n\"bookmark\":\"nil\"}", want: []string{number}},
		"pouchdb-dump": {
			text: "{\"version\":\"1.2.9\",\"db_type\":\"http\",\"start_time\":\"2026-11-29T12:43:36.247Z\",\"db_info\":{\"db_name\":\"x\"}}\n{\"docs\":[" + number + "]}\n{\"seq\":\"3-x\"}\n{\"docs\":[{\"b\":1}]}\n{\"seq\":4}\n",
			want: []string{number, `{"b":1}`},
		},
		"couchbackup": {
			text: "{\"name\":\"@cloudant/couchbackup\",\"version\":\"2.11.12\",\"mode\":\"full\",\"attachments\":true}\n[" + number + ",{\"b\":1}]\n[{\"c\":1}]\n",
			want: []string{number, `{"b":1}`, `{"c":1}`},
		},
		"couchbackup before it had a head": {text: "[" + number + "]\n[{\"c\":1}]\n", want: []string{number, `{"c":1}`}},
		"documents that look like answers": {text: `{"_id":"x","docs":[{"a":1}]}` + "\n" + `{"name":"rows","rows":[]}`, want: []string{`{"_id":"x","docs":[{"a":1}]}`, `{"name":"rows","rows":[]}`}},
		"a document of docs":               {text: `{"docs":[{"a":1}]}`, format: "ndjson", want: []string{`{"docs":[{"a":1}]}`}},
		"seq is a member like another":     {text: `{"seq":1}`, want: []string{`{"seq":1}`}},
		"a table":                          {text: "_id,n,t\na,1.10,\"x, y\"\nb,,007\nc,true,[1]\n", format: "csv", want: []string{`{"_id":"a","n":1.10,"t":"x, y"}`, `{"_id":"b","t":"007"}`, `{"_id":"c","n":true,"t":[1]}`}},
		"a table from a spreadsheet":       {text: "\xef\xbb\xbf_id;n\r\n1;2\r\n", format: "csv", want: []string{`{"_id":"1","n":2}`}},
		"a table with lines in its cells":  {text: "_id,t,u\r\na,\"x\r\ny\",\"\r\n\"\"\r\r\n\"\r\nb,\"x\"y,1\r\nc,\"\n\",2\r\n", format: "csv", want: []string{`{"_id":"a","t":"x\r\ny","u":"\r\n\"\r\r\n"}`, `{"_id":"c","t":"\n","u":2}`}, bad: []string{"line 6"}},
		"a table of the form for tabs":     {text: "a\tb,c,d\n1\tx\n", format: "tsv", want: []string{`{"a":1,"b,c,d":"x"}`}},
		"UTF-16":                           {text: "\xff\xfe{\x00\"\x00\xe4\x00\"\x00:\x001\x00}\x00\n\x00{\x00}\x00", want: []string{`{"ä":1}`, `{}`}},
		"UTF-16, the other way round":      {text: "\xfe\xff\x00a\x00\n\x001\x00\n", format: "csv", want: []string{`{"a":1}`}},
		"a table with tabs":                {text: "a\tb\n1\tx\n", format: "csv", want: []string{`{"a":1,"b":"x"}`}},
		"a table with bad lines":           {text: "a,b\n1\n2,3\n4,5,6\n7,\"8\n\"\n", format: "csv", want: []string{`{"a":2,"b":3}`, `{"a":7,"b":"8\n"}`}, bad: []string{"line 2", "line 4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs, bad, err := read(t, c.text, ReadOptions{Format: c.format})
			if err != nil || fmt.Sprint(docs) != fmt.Sprint(c.want) || fmt.Sprint(bad) != fmt.Sprint(c.bad) {
				t.Errorf("%.300q, bad %q, %v; want %.300q, %q", docs, bad, err, c.want, c.bad)
			}
		})
	}
	docs, _, err := read(t, "a,b\n1,true\n", ReadOptions{Format: "csv", Text: true})
	if err != nil || fmt.Sprint(docs) != `[{"a":"1","b":"true"}]` {
		t.Errorf("as text: %q, %v", docs, err)
	}
}

// What breaks off says so, behind what came before.
func TestFilesThatBreakOff(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"[\n{\"a\":1},", "[\n{\"a\":1}", "{\"rows\":[\n{\"doc\":{\"a\":1}}", "[\n{\"a\":1},\n{\"b\" 2}]", "{\"rows\":[\n{\"doc\":{\"a\":1}}]"} {
		docs, _, err := read(t, text, ReadOptions{})
		if err == nil || len(docs) != 1 || !strings.Contains(err.Error(), "behind document 1") {
			t.Errorf("%q: %q, %v", text, docs, err)
		}
	}
	for _, text := range []string{"{\n\"a\":1,", "{\n"} {
		if docs, _, err := read(t, text, ReadOptions{}); err == nil || len(docs) != 0 {
			t.Errorf("%q: %q, %v", text, docs, err)
		}
	}
	for _, head := range []string{"a,a\n1,2\n", "a,\n1,2\n", "a,\xe9\n1,2\n"} {
		if _, _, err := read(t, head, ReadOptions{Format: "csv"}); err == nil {
			t.Errorf("%q is a table", head)
		}
	}
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	text := "{\"a\":1}\n" + strings.Repeat("x", 5000) + "\n{\"b\":2}\n"
	r := &lines{r: bufio.NewReaderSize(strings.NewReader(text), 16), most: 1000}
	var got []string
	for {
		item, err := r.Next()
		if err == io.EOF {
			break
		}
		got = append(got, fmt.Sprintf("%s %v", item.Doc, err))
	}
	if want := fmt.Sprintf("[{\"a\":1} <nil>  line 2: %v {\"b\":2} <nil>]", errLongLine); fmt.Sprint(got) != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestFilesAreUnpacked(t *testing.T) {
	t.Parallel()
	const text = `{"a":1}`
	dir := t.TempDir()
	for _, name := range []string{"a.json", "b.json.gz", "c.json.zst"} {
		path := filepath.Join(dir, name)
		out, err := CreateOutput(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, text); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is there before it is whole: %v", name, err)
		}
		if err := out.Finish(); err != nil {
			t.Fatal(err)
		}
		in, err := OpenInput(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		if err != nil || string(got) != text || in.Done() != in.Size {
			t.Errorf("%s: %q, %v, %d of %d bytes", name, got, err, in.Done(), in.Size)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "b.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gzip.NewReader(bytes.NewReader(raw)); err != nil {
		t.Error(err)
	}
	if raw, err = os.ReadFile(filepath.Join(dir, "c.json.zst")); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if got, err := z.DecodeAll(raw, nil); err != nil || string(got) != text {
		t.Errorf("%q, %v", got, err)
	}
	dropped, err := CreateOutput(filepath.Join(dir, "d.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := dropped.Drop(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 3 {
		t.Errorf("%v, %v", left, err)
	}
}

// What is compressed is unpacked whatever it is called, and says so if it is cut.
func TestCompressedFilesAreKnown(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(`{"a":1}`, 100)
	for _, name := range []string{"a.json.gz", "a.json.zst"} {
		path := filepath.Join(t.TempDir(), name)
		out, err := CreateOutput(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, text); err != nil {
			t.Fatal(err)
		}
		if err := out.Finish(); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		in, err := OpenInput(Stdio, bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(in); err != nil || string(got) != text {
			t.Errorf("%s by its first bytes: %.30q, %v", name, got, err)
		}
		if in, err = OpenInput(Stdio, bytes.NewReader(raw[:len(raw)-5])); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(in); err == nil || !strings.Contains(err.Error(), "cut or damaged") {
			t.Errorf("%s without its end: %v", name, err)
		}
		if err := in.Close(); err != nil {
			t.Errorf("%s: what is cut is said twice: %v", name, err)
		}
	}
}

// A line of a table may be longer than what is read of it at once, and end anywhere in it.
func TestLongCellsKeepTheirLines(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		cell := strings.Repeat("x", n) + "\r\n" + strings.Repeat("y", 20) + "\r\n"
		raw := &cells{r: bufio.NewReaderSize(strings.NewReader("a,b\r\n\""+cell+"\",1\r\n"), 16)}
		table := &table{r: csv.NewReader(raw), raw: raw}
		item, err := table.Next()
		if want := fmt.Sprintf(`{"a":"%s","b":1}`, strings.ReplaceAll(cell, "\r\n", `\r\n`)); err != nil || string(item.Doc) != want {
			t.Errorf("%d: %s, %v; want %s", n, item.Doc, err, want)
		}
	}
}

// What cannot be read says what to do.
func TestFilesThatAreNoJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"_id,name\na,b\n":             "--format csv",
		"PK\x03\x04":                  "--format csv",
		"[{\"a\":1},\n{\"b\": 2 c}]":  "behind document 1, at byte 19",
		"{\"rows\":[\n{\"doc\":{},}]": "behind document 0, at byte 21",
	} {
		if _, _, err := read(t, text, ReadOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
