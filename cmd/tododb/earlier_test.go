package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each NAME.tgz in this folder is a data folder whose server was killed, and NAME.txt is what the server had answered
// before: a request in one line and its answer, without what may change, in the next. A new pair is recorded by
//
//	TODODB_TEST_RECORD=NAME go test -run TestDataOfEarlierVersions ./cmd/tododb
//
// with TODODB_TEST_PROGRAM naming the program. One should be for each version that stores something in another way.
const folders = "testdata/folders"

// What the program stored in earlier versions is read, and written further, by this one. Nobody has to convert anything.
func TestDataOfEarlierVersions(t *testing.T) {
	t.Parallel()
	if name := os.Getenv("TODODB_TEST_RECORD"); name != "" {
		recordFolder(t, filepath.Join(folders, name))
	}
	archives, err := filepath.Glob(filepath.Join(folders, "*.tgz"))
	if err != nil || len(archives) < 2 {
		t.Fatal(archives, err)
	}
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".tgz"), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			unpack(t, archive, dir)
			p := startServer(t, dir, "")
			recorded, err := os.ReadFile(strings.TrimSuffix(archive, "tgz") + "txt")
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			lines := strings.Split(strings.TrimSpace(string(recorded)), "\n")
			for i := 0; i+1 < len(lines); i += 2 {
				asked++
				if got := p.steady(lines[i]); got != lines[i+1] {
					t.Errorf("%s\ngave %s\nnow it is %s", lines[i], lines[i+1], got)
				}
			}
			if asked < 20 {
				t.Errorf("%d requests are recorded", asked)
			}
			// And it goes on.
			p.do(201, "PUT", "/cakes/more", `{"kind":"x","n":1000}`)
			rev := docRev(p, p.do(200, "GET", "/cakes/d0001", ""))
			p.do(201, "PUT", "/cakes/d0001?rev="+rev, `{"kind":"x","n":1001}`)
			p.holds(`/cakes/_design/v/_view/sums?reduce=false&start_key=["x",1000]`, `"id":"more"`, `"id":"d0001"`)
			p.do(202, "POST", "/cakes/_compact", "{}")
			p.stop()
			if out, code := tododb(t, "check", "--data", dir); code != 0 {
				t.Errorf("check ends with %d\n%s", code, out)
			}
		})
	}
}

// recordFolder makes a data folder and the answers about it.
func recordFolder(t *testing.T, name string) {
	t.Helper()
	dir := t.TempDir()
	p := startServer(t, dir, "")
	ask := p.fill()
	var recorded bytes.Buffer
	for _, request := range ask {
		fmt.Fprintf(&recorded, "%s\n%s\n", request, p.steady(request))
	}
	p.kill()
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewWriter(zip)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(dir, path)
		return cmp.Or(err, files.WriteHeader(&tar.Header{Name: filepath.ToSlash(inside), Mode: 0o600, Size: int64(len(b))}), write(files, b))
	})
	if err := cmp.Or(err, files.Close(), zip.Close(), os.MkdirAll(folders, 0o755), os.WriteFile(name+".tgz", packed.Bytes(), 0o644), os.WriteFile(name+".txt", recorded.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func write(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	b, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(zip); ; {
		h, err := files.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(files)
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err := cmp.Or(err, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// fill stores something of every kind, and returns the requests that show it.
func (p *process) fill() (ask []string) {
	p.do(201, "PUT", "/cakes", "")
	for i := range 60 {
		p.do(201, "PUT", fmt.Sprintf("/cakes/d%04d", i), fmt.Sprintf(`{"kind":%q,"n":%d,"big":12345678901234567890}`, []string{"x", "y"}[i%2], i))
	}
	for i := 0; i < 60; i += 9 {
		at := fmt.Sprintf("/cakes/d%04d", i)
		p.do(201, "PUT", at+"?rev="+docRev(p, p.do(200, "GET", at, "")), fmt.Sprintf(`{"kind":"y","n":%d}`, -i))
		if i%2 == 0 {
			p.do(200, "DELETE", at+"?rev="+docRev(p, p.do(200, "GET", at, "")), "")
		}
	}
	for _, id := range []string{"conflict", "übel/?"} {
		var docs []string
		for _, hash := range []string{"b", "c", "d"} {
			docs = append(docs, fmt.Sprintf(`{"_id":%q,"v":%q,"_revisions":{"start":2,"ids":[%q,"a"]}}`, id, hash, strings.Repeat(hash, 32)))
		}
		p.do(201, "POST", "/cakes/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`)
	}
	long := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("A line of a long attachment.\n"), 6000))
	p.do(201, "PUT", "/cakes/photo", `{"_attachments":{"a.txt":{"content_type":"text/plain","data":"`+long+`"},"b.png":{"content_type":"image/png","data":"AAEC"}}}`)
	p.do(201, "PUT", "/cakes/_design/v", `{"views":{"sums":{"map":"function (d) { if (d.kind) emit([d.kind, d.n], d.n) }","reduce":"_sum"}},"validate_doc_update":"function (n) { if (n.bad) throw({forbidden: 'no'}) }"}`)
	p.do(200, "POST", "/cakes/_index", `{"index":{"fields":["kind","n"]},"ddoc":"kinds","name":"kinds"}`)
	p.do(201, "PUT", "/cakes/_local/mark", `{"at":"7"}`)
	p.do(201, "PUT", "/cakes/gone", `{}`)
	p.do(201, "POST", "/cakes/_purge", fmt.Sprintf(`{"gone":[%q]}`, docRev(p, p.do(200, "GET", "/cakes/gone", ""))))
	p.do(200, "PUT", "/cakes/_revs_limit", "77")
	p.do(200, "PUT", "/cakes/_security", `{"admins":{"names":[],"roles":["bakers"]},"members":{"names":["anna"],"roles":[]},"note":"kept"}`)
	p.do(201, "PUT", "/_users/org.couchdb.user:anna", `{"name":"anna","password":"sugar","roles":["bakers"],"type":"user"}`)
	for _, path := range []string{"/cakes/_design/v/_view/sums", `/cakes/_design/v/_view/sums?reduce=false`} {
		p.do(200, "GET", path, "")
	}
	var now struct {
		Seq string `json:"update_seq"`
	}
	if err := json.Unmarshal([]byte(p.do(200, "GET", "/cakes", "")), &now); err != nil {
		p.t.Fatal(err)
	}
	for i := range 5 { // what the indexes do not have yet
		p.do(201, "PUT", fmt.Sprintf("/cakes/late%d", i), fmt.Sprintf(`{"kind":"x","n":%d}`, 500+i))
	}
	ask = []string{
		"GET /cakes/_all_docs?include_docs=true&conflicts=true",
		"GET /cakes/_changes?style=all_docs",
		"GET /cakes/_changes?since=" + now.Seq, // the checkpoint of a client
		"GET /cakes/_design/v/_view/sums",
		"GET /cakes/_design/v/_view/sums?group_level=1",
		"GET /cakes/_design/v/_view/sums?reduce=false&include_docs=true&descending=true&limit=30",
		`POST /cakes/_find {"selector":{"kind":"x","n":{"$gt":30}}}`,
		"GET /cakes/_index",
		"GET /cakes/_local/mark",
		"GET /cakes/_security",
		"GET /cakes/_revs_limit",
		"GET /cakes/_purged_infos",
		"GET /cakes/d0009?revs=true&revs_info=true",
		"GET /cakes/d0018?open_revs=all&revs=true",
		"GET /cakes/conflict?open_revs=all&revs=true",
		"GET /cakes/conflict?conflicts=true",
		"GET /cakes/%C3%BCbel%2F%3F?revs=true",
		"GET /cakes/photo?attachments=true",
		"GET /cakes/photo/a.txt",
		"GET /cakes/gone",
		"GET /_users/org.couchdb.user:anna",
		`POST /_session {"name":"anna","password":"sugar"}`,
		`PUT /cakes/refused {"bad":true}`,
		"GET /_all_dbs",
	}
	if status, _ := p.try("PUT", "/parts?partitioned=true", ""); status == 201 { // the first versions had none
		for i := range 30 {
			p.do(201, "PUT", fmt.Sprintf("/parts/p%d:%d", i%3, i), fmt.Sprintf(`{"n":%d}`, i))
		}
		p.do(201, "PUT", "/parts/_design/v", `{"views":{"ns":{"map":"function (d) { emit(d.n, 1) }","reduce":"_count"}}}`)
		ask = append(ask, "GET /parts/_partition/p1", "GET /parts/_partition/p1/_all_docs", "GET /parts/_partition/p2/_design/v/_view/ns?reduce=false", "GET /parts/_all_docs")
	}
	return ask
}

// steady makes a request and returns the answer, in one line, without what two servers may say differently.
func (p *process) steady(request string) string {
	p.t.Helper()
	method, rest, _ := strings.Cut(request, " ")
	path, body, _ := strings.Cut(rest, " ")
	status, answer := p.try(method, path, body, "Accept", "application/json")
	dec := json.NewDecoder(strings.NewReader(answer))
	dec.UseNumber()
	var said any
	if dec.Decode(&said) != nil {
		said = answer
	}
	b, err := json.Marshal(without(said, "seq", "last_seq", "update_seq", "purge_seq", "pending", "bookmark", "sizes"))
	if err != nil {
		p.t.Fatal(err)
	}
	if len(b) > 4000 { // a long one is known by its digest
		b = fmt.Appendf(b[:500:500], "… %x", sha256.Sum256(b))
	}
	return fmt.Sprintf("%d %s", status, b)
}

// without removes members of these names, wherever they are.
func without(v any, names ...string) any {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range names {
			delete(v, name)
		}
		for _, inner := range v {
			without(inner, names...)
		}
	case []any:
		for _, inner := range v {
			without(inner, names...)
		}
	}
	return v
}
