package replicate_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/replicate"
)

// couch is a server with the peculiarities of CouchDB 3.5 that matter to a replicator. One of our
// servers behind it keeps the data.
type couch struct {
	*server
	plusIsPlus bool         // unlike CouchDB, which reads a plus in a path as a space
	unanswered atomic.Int64 // messages of one part
	written    atomic.Int64 // PUTs of documents
}

func startCouch(t *testing.T, plusIsPlus bool) *couch {
	t.Helper()
	c := &couch{server: startServer(t), plusIsPlus: plusIsPlus}
	front := httptest.NewServer(c)
	t.Cleanup(front.Close)
	c.server.http.Close()
	c.server.http = front
	return c
}

func (c *couch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, query, asked := strings.Cut(r.RequestURI, "?")
	if c.plusIsPlus {
		path = strings.ReplaceAll(path, "+", "%2B")
	}
	if asked {
		path += "?" + query
	}
	u, err := url.ParseRequestURI(path)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.URL, r.RequestURI = u, path
	if r.Method == http.MethodPut {
		c.written.Add(1)
		if kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "multipart/related" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			if refused := c.refuses(body, params["boundary"]); refused != "" {
				w.WriteHeader(http.StatusBadRequest)
				io.WriteString(w, refused)
				return
			}
			if bytes.Count(body, []byte("\r\n--"+params["boundary"])) < 2 {
				c.unanswered.Add(1)
				<-r.Context().Done()
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
	}
	c.api.ServeHTTP(w, r)
}

// refuses reads a message as CouchDB's parser does: it counts the parts that the JSON announces.
func (c *couch) refuses(body []byte, boundary string) string {
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	head, err := parts.NextRawPart()
	if err != nil {
		return err.Error()
	}
	var doc struct {
		Attachments map[string]struct {
			Follows  bool
			Length   int
			Encoding string
			Encoded  *int `json:"encoded_length"`
		} `json:"_attachments"`
	}
	if err := json.NewDecoder(head).Decode(&doc); err != nil {
		return err.Error()
	}
	want := map[int]int{}
	for name, a := range doc.Attachments {
		switch {
		case a.Follows && a.Encoding != "" && a.Encoded == nil:
			return name + ": encoded_length is missing"
		case a.Follows && a.Encoded != nil:
			want[*a.Encoded]++
		case a.Follows:
			want[a.Length]++
		}
	}
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err.Error()
		}
		b, err := io.ReadAll(part)
		if err != nil {
			return err.Error()
		}
		want[len(b)]--
	}
	for length, n := range want {
		if n != 0 {
			return fmt.Sprintf("%d attachments too few of %d bytes", n, length)
		}
	}
	return ""
}

func gzipped(t *testing.T, text string) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, 8)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// putGzipped stores a document with a text attachment as a CouchDB keeps it.
func (s *server) putGzipped(id, text string) {
	s.t.Helper()
	packed := gzipped(s.t, text)
	body := fmt.Sprintf("--x\r\n\r\n"+`{"_rev":"1-a","_attachments":{"f.txt":{"follows":true,"revpos":1,"content_type":"text/plain","length":%d,"encoding":"gzip","encoded_length":%d}}}`+"\r\n--x\r\n\r\n%s\r\n--x--", len(text), len(packed), packed)
	r, err := http.NewRequest("PUT", s.http.URL+"/db/"+id+"?new_edits=false", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth("admin", "secret")
	r.Header.Set("Content-Type", "multipart/related; boundary=x")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 201 {
		s.t.Fatal(answer.Status)
	}
}

// A document goes to a CouchDB with its text attachments in the form that CouchDB stores. So do
// edits that leave the attachments as they are.
func TestEditsOfAttachedDocumentsToCouchDB(t *testing.T) {
	a, b := startServer(t), startCouch(t, false)
	a.must(201, "PUT", "/db", "")
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text := strings.Repeat("a text that packs well ", 100)
	a.putGzipped("doc", text)
	go1 := spec(t, a.url("db"), b.url("db"), `,"create_target":true,"retries_per_request":1,"connection_timeout":20000`)
	for i, edit := range []string{"", `{"_rev":"1-a","v":1,"_attachments":{"f.txt":{"stub":true}}}`, `{"_rev":"REV","v":2,"_attachments":{"f.txt":{"stub":true},"g":{"data":"aGk="}}}`} {
		if edit != "" {
			var now struct {
				Rev string `json:"_rev"`
			}
			if err := json.Unmarshal([]byte(a.must(200, "GET", "/db/doc", "")), &now); err != nil {
				t.Fatal(err)
			}
			a.must(201, "PUT", "/db/doc", strings.ReplaceAll(edit, "REV", now.Rev))
		}
		from := time.Now()
		result, err := m.Run(t.Context(), go1)
		if read, written, refused := result.Counts(); err != nil || read != int64(i+1) || written != int64(i+1) || refused != 0 || time.Since(from) > 15*time.Second {
			t.Fatalf("edit %d: read %d, wrote %d, refused %d, %v", i, read, written, refused, err)
		}
		if got, want := b.must(200, "GET", "/db/doc?att_encoding_info=true&revs=true", ""), a.must(200, "GET", "/db/doc?att_encoding_info=true&revs=true", ""); got != want {
			t.Errorf("the copy is %s, the document %s", got, want)
		}
		if got := b.must(200, "GET", "/db/doc/f.txt", ""); got != text {
			t.Errorf("the attachment is %.100q", got)
		}
	}
	if n := b.unanswered.Load(); n > 0 {
		t.Errorf("%d messages had one part", n)
	}
}

// Documents, attachments, design documents and filters with any name are replicated, in both
// directions, however the server reads a plus in a path.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	names := []string{"a+b", "a b", "a%2Bb", "a/b", "a?b", "a#b", ";", "é漢", ".", "..", "a..", "\U0010ffff"}
	for c := rune(0); c <= 255; c++ {
		names = append(names, "c"+string(c), "c"+string(c)+"y")
	}
	for _, plusIsPlus := range []bool{false, true} {
		t.Run(fmt.Sprint(plusIsPlus), func(t *testing.T) {
			t.Parallel()
			there, here := startCouch(t, plusIsPlus), startServer(t)
			m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Store: here.store, Open: replicate.Everything(here.store), Filters: here.filters})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var docs []map[string]any
			for _, name := range names {
				att := map[string]any{name: map[string]any{"data": "aGk=", "content_type": "text/plain"}}
				docs = append(docs, map[string]any{"_id": name, "_attachments": att}, map[string]any{"_id": "plain" + name}, map[string]any{"_id": "_design/" + name, "_attachments": att})
			}
			docs = append(docs, map[string]any{"_id": "_design/f+ f", "filters": map[string]any{"f+ f": "function(doc, req) { return doc._id == req.query['w+ w'] }"}})
			body, err := json.Marshal(map[string]any{"docs": docs})
			if err != nil {
				t.Fatal(err)
			}
			here.must(201, "PUT", "/db", "")
			here.must(201, "POST", "/db/_bulk_docs", string(body))
			for _, way := range [][2]string{{"db", there.url("there")}, {there.url("there"), "back"}} {
				result, err := m.Run(t.Context(), spec(t, way[0], way[1], `,"create_target":true,"retries_per_request":1`))
				if read, written, refused := result.Counts(); err != nil || read != int64(len(docs)) || written != read || refused != 0 {
					t.Fatalf("%s to %s: read %d, wrote %d of %d, refused %d, %v", way[0], way[1], read, written, len(docs), refused, err)
				}
			}
			want := here.must(200, "GET", "/db/_all_docs?include_docs=true", "")
			if got := there.must(200, "GET", "/there/_all_docs?include_docs=true", ""); got != want {
				t.Errorf("there it holds\n%s\nand not\n%s", got, want)
			}
			if got := here.must(200, "GET", "/back/_all_docs?include_docs=true", ""); got != want {
				t.Errorf("back here it holds\n%s\nand not\n%s", got, want)
			}
			for i, source := range []string{there.url("there"), "db"} {
				more := `,"create_target":true,"retries_per_request":1,"filter":"f+ f/f+ f","query_params":{"w+ w":"a+b"}`
				target := fmt.Sprintf("filtered%d", i)
				if _, err := m.Run(t.Context(), spec(t, source, target, more)); err != nil {
					t.Fatal(err)
				}
				if got := here.must(200, "GET", "/"+target+"/_all_docs", ""); strings.Count(got, `"id"`) != 1 || !strings.Contains(got, `"id":"a+b"`) {
					t.Errorf("the filter lets through %s", got)
				}
			}
		})
	}
}

// An attachment that is compressed on the way from its server arrives unchanged. One that is cut
// short does not arrive.
func TestAttachmentsThatChangeOnTheWay(t *testing.T) {
	a, b, c := startServer(t), startServer(t), startServer(t)
	plain := strings.Repeat("a text that packs well ", 100)
	a.must(201, "PUT", "/db", "")
	a.must(201, "PUT", "/db/doc/f.txt", plain)
	a.putGzipped("packed", plain)
	var short atomic.Bool
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/f.txt") {
			a.api.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		a.api.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		if answer.Header().Get("Content-Encoding") != "" {
			w.Header().Set("Content-Encoding", "gzip")
		} else if short.Load() {
			body = body[:10]
		} else if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			body = gzipped(t, string(body))
		}
		w.Write(body)
	}))
	defer way.Close()
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Store: b.store, Open: replicate.Everything(b.store)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	source := strings.Replace(way.URL, "http://", "http://admin:secret@", 1) + "/db"
	for _, target := range []string{"db", c.url("db")} {
		at := b
		if target != "db" {
			at = c
		}
		short.Store(true)
		if _, err := m.Run(t.Context(), spec(t, source, target, `,"create_target":true,"retries_per_request":1`)); err == nil {
			t.Errorf("to %s: too little has come, and nobody says so", target)
		}
		if got, answer := at.do("GET", "/db/doc", ""); got != 404 {
			t.Errorf("to %s: too little is there: %s", target, answer)
		}
		short.Store(false)
		if _, err := m.Run(t.Context(), spec(t, source, target, `,"retries_per_request":1`)); err != nil {
			t.Errorf("to %s: %v", target, err)
		}
		for _, id := range []string{"doc", "packed"} {
			if got := at.must(200, "GET", "/db/"+id+"/f.txt", ""); got != plain {
				t.Errorf("to %s: %s is %.100q", target, id, got)
			}
			path := "/db/" + id + "?att_encoding_info=true"
			if got, want := at.must(200, "GET", path, ""), a.must(200, "GET", path, ""); got != want {
				t.Errorf("to %s: the copy is %s, the document %s", target, got, want)
			}
		}
	}
}
