package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// TestHostileBodies sends bodies that are too large, too deep, too slow or not what they say.
func TestHostileBodies(t *testing.T) {
	widetest.Only(t)
	besideOthers(t)
	s := besiege(t, confinement{Memory: 256 << 20}, "[limits]\nbody_stall = 2\n")
	s.run(bodyBombs)
}

const (
	refused = `4\d\d .+`         // the client is told what is wrong
	either  = `2\d\d|` + refused // a server may take it, if it lives
)

var bodyBombs = []attack{
	// Bodies that unpack to more than anybody should send.
	{name: "gzip of 1 GiB to _bulk_docs", want: refused, do: gzipped(nobody, "POST", "/open/_bulk_docs", 1<<30, `{"docs":[`, `{"a":"aaaaaaaa"},`, `{}]}`)},
	{name: "gzip of 1 GiB three times at once", want: refused, do: together(3, gzipped(nobody, "POST", "/open/_bulk_docs", 1<<30, `{"docs":[`, `{"a":"aaaaaaaa"},`, `{}]}`))},
	{name: "gzip of 1 GiB of blanks to a document", want: refused, do: gzipped(nobody, "PUT", "/open/blanks", 1<<30, ``, `                `, `{}`)},
	{name: "gzip of 1 GiB to one string", want: refused, do: gzipped(anna, "PUT", "/open/string", 1<<30, `{"a":"`, `aaaaaaaaaaaaaaaa`, `"}`)},
	{name: "gzip of 1 GiB to _find", want: refused, do: gzipped(anna, "POST", "/open/_find", 1<<30, `{"selector":{"a":"`, `aaaaaaaaaaaaaaaa`, `"}}`), long: true},
	{name: "gzip of 1 GiB to _session", want: refused, do: gzipped(nobody, "POST", "/_session", 1<<30, `{"name":"`, `aaaaaaaaaaaaaaaa`, `"}`)},
	{name: "gzip of 1 GiB to _all_docs", want: refused, do: gzipped(nobody, "POST", "/open/_all_docs", 1<<30, `{"keys":[`, `"aaaaaaaaaaaaa",`, `1]}`), long: true},
	{name: "gzip of 1 GiB to _revs_diff", want: refused, do: gzipped(nobody, "POST", "/open/_revs_diff", 1<<30, `{"a":[`, `"1-abcdefabcde",`, `"1-a"]}`), long: true},
	{name: "gzip of 1 GiB to _bulk_get", want: refused, do: gzipped(nobody, "POST", "/open/_bulk_get", 1<<30, `{"docs":[`, `{"id":"aaaaaaa"},`, `{"id":"a"}]}`), long: true},
	{name: "gzip of 1 GiB to _changes", want: refused, do: gzipped(nobody, "POST", "/open/_changes?filter=_doc_ids", 1<<30, `{"doc_ids":[`, `"aaaaaaaaaaaaa",`, `"a"]}`), long: true},
	{name: "gzip of 1 GiB to _replicate", want: refused, do: gzipped(anna, "POST", "/_replicate", 1<<30, `{"source":"`, `aaaaaaaaaaaaaaaa`, `"}`), long: true},
	{name: "gzip of 1 GiB to tokens", want: refused, do: gzipped(anna, "POST", "/_session/tokens", 1<<30, `{"device":"`, `aaaaaaaaaaaaaaaa`, `"}`), long: true},
	{name: "gzip of 1 GiB to an update function", want: refused, do: gzipped(dora, "POST", "/doras/_design/none/_update/u", 1<<30, `{"device":"`, `aaaaaaaaaaaaaaaa`, `"}`), long: true},
	{name: "gzip of many members", long: true, want: refused, do: func(s *siege) string {
		member := pack([]byte(strings.Repeat(`{"a":"aaaaaaaa"},`, 1000)))
		body := io.MultiReader(bytes.NewReader(pack([]byte(`{"docs":[`))), repeated(member, 60_000))
		return s.ask(nobody, "POST", "/open/_bulk_docs", body, "Content-Encoding: gzip").String()
	}},
	{name: "gzip of empty members without end", want: refused + "|cut", do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", repeated(pack(nil), 2_000_000), "Content-Encoding: gzip").String()
	}},
	{name: "gzip within gzip", want: refused, do: func(s *siege) string {
		body := pack(pack([]byte(`{"docs":[{}]}`)))
		return s.ask(nobody, "POST", "/open/_bulk_docs", body, "Content-Encoding: gzip").String()
	}},
	{name: "gzip named twice", want: refused, do: func(s *siege) string {
		body := pack(pack([]byte(`{"docs":[{}]}`)))
		return s.ask(nobody, "POST", "/open/_bulk_docs", body, "Content-Encoding: gzip, gzip").String()
	}},
	{name: "gzip named a thousand times", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", pack([]byte(`{"docs":[{}]}`)), head("Content-Encoding: "+strings.Repeat("gzip,", 1000)+"gzip")).String()
	}},
	{name: "an encoding that there is none of", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", `{"docs":[{}]}`, "Content-Encoding: br").String()
	}},
	{name: "gzip that is none", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", `{"docs":[{}]}`, "Content-Encoding: gzip").String()
	}},
	{name: "gzip that is cut off", want: refused, do: func(s *siege) string {
		body := pack([]byte(`{"docs":[{}]}`))
		return s.ask(nobody, "POST", "/open/_bulk_docs", body[:len(body)-6], "Content-Encoding: gzip").String()
	}},
	{name: "gzip with garbage behind", want: either, do: func(s *siege) string {
		body := append(pack([]byte(`{"docs":[{}]}`)), "garbage"...)
		return s.ask(nobody, "POST", "/open/_bulk_docs", body, "Content-Encoding: gzip").String()
	}},

	// Large as they are.
	{name: "many MB of _bulk_docs", want: either, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", list(`{"docs":[`, `{"a":"`+strings.Repeat("a", 1000)+`"}`, `]}`, many(120_000, 20_000))).String()
	}},
	{name: "120 MB of _bulk_docs of the smallest documents", want: "413 too_large", do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", list(`{"docs":[`, `{}`, `]}`, 40_000_000)).String()
	}, long: true},
	{name: "fifty documents of 7.9 MB at once", long: true, want: either + "|503 .+", do: together(50, func(s *siege) string {
		return s.ask(nobody, "POST", "/open", list(`{"a":[`, `1`, `]}`, 3_950_000)).String()
	})},
	{name: "a document of 100 MB", want: "413 .+", do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/large", list(`{"a":[`, `"aaaaaaa"`, `]}`, 10_000_000)).String()
	}},
	{name: "an endless document", want: "413 .+|cut", do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/endless", list(`{"a":[`, `1`, `]}`, 1<<32)).String()
	}},
	{name: "an endless number", want: "413 .+|400 .+|cut", do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/number", list(`{"a":1`, `1`, `}`, 1<<28)).String()
	}},
	{name: "a number of a million digits", want: either, do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/digits", `{"a":`+strings.Repeat("9", 1_000_000)+`}`).String()
	}},
	{name: "numbers out of range", want: either, do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/range", `{"a":1e999999999,"b":-1e-999999999,"c":1E400,"d":-0}`).String()
	}},
	{name: "a million members", want: either, do: func(s *siege) string {
		var b bytes.Buffer
		for i := range 600_000 {
			fmt.Fprintf(&b, `,"m%d":%d`, i, i%10)
		}
		return s.ask(nobody, "PUT", "/open/members", `{"a":1`+b.String()+`}`).String()
	}, long: true},
	{name: "one member a million times", want: either, do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/same", list(`{"z":1,`, `"a":1`, `}`, 1_000_000)).String()
	}},
	{name: "_id twice", want: either, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", `{"docs":[{"_id":"a","_id":"_design/x"}]}`).String()
	}},
	{name: "depth", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/depth", strings.Repeat(`{"a":`, 1_000_000)+"1"+strings.Repeat("}", 1_000_000)).String()
	}},
	{name: "depth in _bulk_docs", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", `{"docs":[{"a":`+strings.Repeat(`[`, 3_000_000)+strings.Repeat("]", 3_000_000)+`}]}`).String()
	}},
	{name: "depth in everything", want: refused, do: func(s *siege) string {
		n := many(2_000_000, 300_000)
		deep := strings.Repeat(`[`, n) + strings.Repeat("]", n)
		got := ""
		for _, to := range []string{"/open/_find", "/open/_revs_diff", "/open/_bulk_get", "/open/_all_docs", "/open/_changes?filter=_selector", "/open/_security", "/_session", "/_replicate", "/_session/tokens", "/open/_local/deep", "/open/_purge", "/_dbs_info"} {
			for _, body := range []string{deep, `{"selector":` + deep + `,"keys":` + deep + `,"docs":` + deep + `,"a":` + deep + `}`} {
				method := "POST"
				if strings.Contains(to, "_local") || strings.Contains(to, "_security") {
					method = "PUT"
				}
				got = s.ask(anna, method, to, body).String()
				if !strings.HasPrefix(got, "4") {
					return to + ": " + got
				}
			}
		}
		return got
	}},
	{name: "depth that is not closed", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", strings.Repeat(`[`, 20_000_000)).String()
	}},
	{name: "NUL and other bytes", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", "\x00{\"docs\":[]}\xff").String()
	}},
	{name: "bytes that are no UTF-8 in an id", want: refused, do: func(s *siege) string {
		got := s.ask(nobody, "POST", "/open", "{\"_id\":\"a\xff\xc0\xaf\"}")
		return got.String()
	}},
	{name: "half of a surrogate pair in an id", want: either, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open", `{"_id":"a\ud800"}`).String()
	}},
	{name: "NUL in an id", want: either, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open", `{"_id":"a\u0000b"}`).String()
	}},

	// Attachments.
	{name: "an inline attachment that is no base64", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/b64", `{"_attachments":{"a":{"data":"!!!!"}}}`).String()
	}},
	{name: "an inline attachment of 200 MB", long: true, want: either, do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/inline", list(`{"_attachments":{"a":{"data":"`, strings.Repeat("QUFB", 1000), `"}}}`, 50_000, "")).String()
	}},
	{name: "a hundred thousand inline attachments", want: either, do: func(s *siege) string {
		var b bytes.Buffer
		for i := range 100_000 {
			fmt.Fprintf(&b, `,"a%d":{"data":""}`, i)
		}
		return s.ask(nobody, "PUT", "/open/manyatts", `{"_attachments":{"a":{"data":""}`+b.String()+`}}`).String()
	}, long: true},
	{name: "many stubs", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/stubs", list(`{"_attachments":{`, `"a":{"stub":true}`, `}}`, many(300_000, 50_000))).String()
	}},
	{name: "multipart of 100,000 parts", want: either, do: func(s *siege) string {
		body := io.MultiReader(strings.NewReader("--b\r\nContent-Type: application/json\r\n\r\n{\"_attachments\":{\"a\":{\"follows\":true,\"length\":1}}}"),
			repeated([]byte("\r\n--b\r\nContent-Disposition: attachment; filename=\"x\"\r\n\r\nx"), 100_000), strings.NewReader("\r\n--b--"))
		return s.ask(nobody, "PUT", "/open/parts", body, `Content-Type: multipart/related; boundary=b`).String()
	}},
	{name: "multipart of 1 GiB", want: either, do: func(s *siege) string {
		body := io.MultiReader(strings.NewReader("--b\r\nContent-Type: application/json\r\n\r\n{\"_attachments\":{\"a\":{\"follows\":true,\"length\":1073741824}}}\r\n--b\r\n\r\n"),
			repeated(bytes.Repeat([]byte("x"), 1<<20), 1<<10), strings.NewReader("\r\n--b--"))
		return s.ask(nobody, "PUT", "/open/gib", body, `Content-Type: multipart/related; boundary=b`).String()
	}, long: true},
	{name: "multipart within multipart", want: refused, do: func(s *siege) string {
		body := strings.Repeat("--b\r\nContent-Type: multipart/related; boundary=b\r\n\r\n", 10_000) + "{}\r\n--b--"
		return s.ask(nobody, "PUT", "/open/nested", body, `Content-Type: multipart/related; boundary=b`).String()
	}},
	{name: "multipart without a boundary", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/unbounded", "--b\r\n\r\n{}\r\n--b--", `Content-Type: multipart/related`).String()
	}},
	{name: "multipart with a boundary of 100 kB", want: refused, do: func(s *siege) string {
		b := strings.Repeat("b", 100_000)
		return s.ask(nobody, "PUT", "/open/bounded", "--"+b+"\r\n\r\n{}\r\n--"+b+"--", head(`Content-Type: multipart/related; boundary=`+b)).String()
	}},
	{name: "multipart with a header of 1 MB", want: refused, do: func(s *siege) string {
		body := "--b\r\nX-Long: " + strings.Repeat("x", 1<<20) + "\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--"
		return s.ask(nobody, "PUT", "/open/header", body, `Content-Type: multipart/related; boundary=b`).String()
	}},
	{name: "multipart with a million headers", want: refused, do: func(s *siege) string {
		body := "--b\r\n" + strings.Repeat("X: y\r\n", 1_000_000) + "Content-Type: application/json\r\n\r\n{}\r\n--b--"
		return s.ask(nobody, "PUT", "/open/headers", body, `Content-Type: multipart/related; boundary=b`).String()
	}},
	{name: "multipart whose document is endless", want: "413 .+|cut", do: func(s *siege) string {
		body := io.MultiReader(strings.NewReader("--b\r\nContent-Type: application/json\r\n\r\n"), list(`{"a":[`, `1`, `]}`, 1<<28))
		return s.ask(nobody, "PUT", "/open/mpendless", body, `Content-Type: multipart/related; boundary=b`).String()
	}},
	{name: "multipart that lies about a length", want: refused, do: func(s *siege) string {
		body := "--b\r\nContent-Type: application/json\r\n\r\n{\"_attachments\":{\"a\":{\"follows\":true,\"length\":9223372036854775807}}}\r\n--b\r\n\r\nx\r\n--b--"
		return s.ask(nobody, "PUT", "/open/lies", body, `Content-Type: multipart/related; boundary=b`).String()
	}},
	{name: "an attachment of a negative length", want: refused, do: func(s *siege) string {
		body := "--b\r\nContent-Type: application/json\r\n\r\n{\"_attachments\":{\"a\":{\"follows\":true,\"length\":-1}}}\r\n--b\r\n\r\nx\r\n--b--"
		return s.ask(nobody, "PUT", "/open/negative", body, `Content-Type: multipart/related; boundary=b`).String()
	}},
	{name: "an attachment of 1 GiB", want: either, do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/att/a", repeated(bytes.Repeat([]byte("x"), 1<<20), 1<<10), "Content-Type: text/plain").String()
	}, long: true},
	{name: "an attachment with CR LF in its type", want: `2\d\d`, do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/crlf", `{"_attachments":{"a":{"content_type":"text/plain\r\nSet-Cookie: AuthSession=x","data":""}}}`).String()
	}},
	{name: "a stub of an attachment of another database", want: "412 .+", do: func(s *siege) string {
		return s.ask(nobody, "PUT", "/open/stolen", `{"_attachments":{"a":{"stub":true,"digest":"md5-XUFAKrxLKna5cZ2REBfFkg==","length":5,"revpos":1}}}`).String()
	}},

	// Slow, cut off and not as long as they say.
	{name: "a body that does not come", long: true, want: "408 .+|cut", do: func(s *siege) string {
		return s.raw("POST /open HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"a\":", 20*time.Second)
	}},
	{name: "two hundred bodies that do not come", want: "408 .+|cut", do: together(200, func(s *siege) string {
		return s.raw("POST /open/_bulk_docs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000000\r\n\r\n{\"docs\":[", 30*time.Second)
	})},
	{name: "two hundred large bodies that stand still", want: "408 .+|503 .+|413 .+|cut", do: together(200, func(s *siege) string {
		return s.raw("POST /open/_bulk_docs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000000\r\n\r\n{\"docs\":[{\"a\":\""+strings.Repeat("a", 4_000_000), 60*time.Second)
	}), long: true},
	{name: "less than the length says", want: "4.. .+|cut", do: func(s *siege) string {
		return s.rawHalf("POST /open HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{}")
	}},
	{name: "a length that is negative", want: "400.*|cut", do: func(s *siege) string {
		return s.raw("POST /open HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n{}", 5*time.Second)
	}},
	{name: "a length of 2^70", want: "400.*|cut", do: func(s *siege) string {
		return s.raw("POST /open HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1180591620717411303424\r\n\r\n{}", 5*time.Second)
	}},
	{name: "a length of 2^62", want: "413 .+|408 .+|cut", do: func(s *siege) string {
		return s.raw("POST /open HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4611686018427387904\r\n\r\n{}", 10*time.Second)
	}},
	{name: "a chunk of 2^63", long: true, want: "4.. .+|cut", do: func(s *siege) string {
		return s.raw("POST /open HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\n{}", 10*time.Second)
	}},
	{name: "a body for a GET", want: either, do: func(s *siege) string {
		return s.ask(nobody, "GET", "/open", list(`[`, `1`, `]`, 20_000_000)).String()
	}},
	{name: "a large body for who may not write", want: "401 .+|cut", do: func(s *siege) string {
		return s.ask(nobody, "POST", "/private/_bulk_docs", list(`{"docs":[`, `{}`, `]}`, 20_000_000)).String()
	}},
}

// raw sends bytes as they are and returns the status and word of the answer, or "cut".
func (s *siege) raw(request string, patience time.Duration) string {
	conn, err := net.Dial("tcp", s.address())
	if err != nil {
		return "cut"
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	go io.WriteString(conn, request)
	return s.rawAnswer(conn)
}

// rawHalf is the same, but says that nothing more will come.
func (s *siege) rawHalf(request string) string {
	conn, err := net.Dial("tcp", s.address())
	if err != nil {
		return "cut"
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(conn, request)
	conn.(*net.TCPConn).CloseWrite()
	return s.rawAnswer(conn)
}

func (s *siege) rawAnswer(conn net.Conn) string {
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err, ok := err.(net.Error); ok && err.Timeout() {
		return "no answer"
	}
	if err != nil {
		return "cut"
	}
	return read(got).String()
}

// together attacks n times at once and returns all the different answers.
func together(n int, do func(*siege) string) func(*siege) string {
	return func(s *siege) string {
		answers := make([]string, n)
		var work sync.WaitGroup
		for i := range n {
			work.Go(func() { answers[i] = do(s) })
		}
		work.Wait()
		return strings.Join(distinct(answers), "; ")
	}
}
