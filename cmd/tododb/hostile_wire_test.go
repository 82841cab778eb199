package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
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

// TestHostileRequests sends paths and headers that nobody needs, and bytes that are not requests.
func TestHostileRequests(t *testing.T) {
	widetest.Only(t)
	besideOthers(t)
	s := besiege(t, confinement{Memory: 320 << 20}, "[limits]\nheader_timeout = 3\nbody_stall = 3\n[chttpd]\nenable_cors = true\n[cors]\norigins = https://good.example\ncredentials = true\n"+
		"[jwt_keys]\nhmac:_default = "+base64.StdEncoding.EncodeToString([]byte("a secret of the signer"))+"\n[chttpd_auth]\n")
	s.run(requestBombs)
}

var requestBombs = []attack{
	{name: "paths of every escape", want: "nothing odd", do: func(s *siege) string {
		parts := []string{"%00", "%FF", "%C0%AF", "%C0%80", "%ED%A0%80", "%F4%90%80%80", "%E2%80%AE", "..", "%2E%2E", "%2e%2e%2f", ".", "%2F", "%2F%2F", "%5C", "%252F", "%0D%0A", "%0d%0aSet-Cookie:%20x", "+", "%20", "%7F", ";", ";x=y", "*", "_", "%5F", "%5Fdesign", "_design", "_design%2Fapp", "_local", "_local%2Fx", "_all_docs", "_security", "_changes", "con", "~", "%25", "%u0041", "{db}", "{{", "$(id)", "'", "%22", "..%2f..%2flocal.ini", "..%5c..%5clocal.ini", "open.bolt"}
		for i, before := range []string{"/", "/open/", "/open/_design/", "/open/_local/", "/open/q/", "/open/_design/app/", "/open/_design/app/_view/", "/_node/", "/_node/_local/", "/_node/_local/_config/", "/_session/tokens/", "/_scheduler/docs/", "/victim/", "//", "/open//", "/open/_partition/", "/open/_synchronizations/"} {
			for j, part := range parts {
				for k, method := range []string{"GET", "PUT", "DELETE", "COPY"} {
					if !inSample(i+j+k, 4) { // each path by one method, each part by all
						continue
					}
					body := ""
					if method == "PUT" {
						body = "{}"
					}
					got := s.raw(fmt.Sprintf("%s %s%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nDestination: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, before, part, part, len(body), body), 10*time.Second)
					if strings.HasPrefix(got, "5") && !strings.HasPrefix(got, "501") || got == "no answer" || strings.HasPrefix(got, "2") && strings.HasPrefix(before, "/victim") {
						return method + " " + before + part + ": " + got
					}
				}
			}
		}
		return "nothing odd"
	}},
	{name: "files of the data folder", want: "nothing odd", do: func(s *siege) string {
		for _, path := range []string{"/../local.ini", "/..%2flocal.ini", "/%2e%2e/local.ini", "/_utils/../local.ini", "/_utils/..%2f..%2flocal.ini", "/_utils/%2e%2e/%2e%2e/etc/passwd", "/open/..%2f..%2flocal.ini", "/open/../private/doc01", "/open/%2e%2e/private/doc01", "/open%2f..%2fprivate/doc01", "/open/_design/..%2f..%2f..%2fprivate%2fdoc01", "/./private/doc01", "//private//doc01", "/;/private/doc01", "/private;x/doc01", "/private%00/doc01", "/private%20/doc01", "/PRIVATE/doc01", "http://x/private/doc01", "http://x//private/doc01", "*", "private/doc01", "/open/../../private/_all_docs", "/private/_%61ll_docs", "/%70rivate/doc01", "/private/%5Fall_docs", "/private/_local/mark", "/private/_design%2Fapp", "/open/_design/app/../../../private/doc01"} {
			got := s.rawText("GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 10*time.Second)
			if strings.Contains(got, "pbkdf2") || strings.Contains(got, "root:") || strings.Contains(got, "as it was") || strings.Contains(got, `"here":true`) || strings.HasPrefix(got, "HTTP/1.1 500") {
				return path + ": " + got
			}
		}
		return "nothing odd"
	}},
	{name: "names of databases that are files", want: "nothing odd", do: func(s *siege) string {
		for _, name := range []string{"../x", "..%2Fx", "a%2F..%2Fb", "a%2F%2Fb", "a%2F", "a%00b", ".a", "a.b", "A", "1a", strings.Repeat("a", 300), strings.Repeat("a", 60_000), strings.Repeat("a", 100_000), "a%5Cb", "a%0Ab", "%C3%A9", "local.ini"} {
			// The administrator asks, so that only the name can be the reason for a refusal.
			got := s.ask(boss, "PUT", "/"+name, nil).String()
			if got == "201" {
				s.ask(boss, "DELETE", "/"+name, nil)
			}
			if strings.HasPrefix(got, "431") && len(name) > 64<<10 {
				continue // the head itself is too large
			}
			if !strings.HasPrefix(got, "400") && !strings.HasPrefix(got, "404") && !(strings.HasPrefix(name, "a%2F") && got == "201") {
				return fmt.Sprintf("%.40s: %s", name, got)
			}
		}
		return "nothing odd"
	}},
	{name: "heads as large as may be, of requests that wait", want: "431 .+|cut", long: true, do: together(1000, func(s *siege) string {
		return s.raw("POST /open/_bulk_docs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Large: "+strings.Repeat("a", 900_000)+"\r\nContent-Length: 1000\r\n\r\n{", 20*time.Second)
	})},
	{name: "heads that are slow to come", want: "4.. .+|431.*|cut", long: true, do: together(many(1000, 200), func(s *siege) string {
		return s.raw("GET /open HTTP/1.1\r\nHost: x\r\nX-Large: "+strings.Repeat("a", 900_000), 20*time.Second)
	})},
	{name: "a path of 900 kB", want: "4.. .+|414|431", do: func(s *siege) string {
		return s.ask(nobody, "GET", "/open/"+strings.Repeat("%2F", 300_000), nil).String()
	}},
	{name: "a path of 100,000 segments", want: "4.. .+|414", do: func(s *siege) string {
		return s.ask(nobody, "GET", "/open/d"+strings.Repeat("/a", 100_000), nil).String()
	}},
	{name: "a path of 100,000 slashes", want: "[24].*", do: func(s *siege) string {
		return s.ask(nobody, "GET", strings.Repeat("/", 100_000)+"open", nil).String()
	}},
	{name: "an id that is no UTF-8, wherever it comes in", want: "all refused", do: func(s *siege) string {
		for _, id := range []string{"%FF", "a%C0%AF", "%ED%A0%80", "a%F8%88%80%80%80"} {
			for _, r := range []struct{ method, path, more string }{
				{"PUT", "/open/" + id, ""}, {"PUT", "/open/_local/" + id, ""}, {"PUT", "/open/x/" + id, ""}, {"PUT", "/open/" + id + "/a", ""}, {"COPY", "/open/q", "Destination: " + id}, {"COPY", "/open/q", "Destination: _local/" + id}, {"PUT", "/open/_local%2F" + id, ""}, {"POST", "/open?x=" + id, ""},
			} {
				if r.method == "POST" {
					continue
				}
				s.ask(nobody, "PUT", "/open/q", "{}")
				var more []head
				if r.more != "" {
					more = append(more, head(r.more))
				}
				if got := s.ask(nobody, r.method, r.path, "{}", more...).String(); !strings.HasPrefix(got, "4") {
					return r.method + " " + r.path + " " + r.more + ": " + got
				}
			}
		}
		return "all refused"
	}},

	// Headers.
	{name: "Destinations of every kind", want: "nothing odd", do: func(s *siege) string {
		s.ask(nobody, "PUT", "/open/copied", "{}")
		for _, d := range []string{"", "%0D%0ASet-Cookie: x", "a%0d%0ab", "_design/copied", "_design%2Fcopied", "%5Fdesign/copied", "../private/copied", "..%2Fprivate%2Fcopied", "http://elsewhere/x", "a?rev=" + strings.Repeat("1", 100_000), "a?rev=1-x&rev=2-y", "a?new_edits=false", "_users/x", "_all_docs", "_", strings.Repeat("a", 500_000), "a%00b", "/open/x", "//private/copied", "_local/../x", "?", "#", "%"} {
			got := s.ask(anna, "COPY", "/open/copied", nil, head("Destination: "+d))
			if strings.HasPrefix(got.String(), "5") || got.String() == "cut" || got.header.Get("Set-Cookie") != "" && !strings.HasPrefix(got.header.Get("Set-Cookie"), "AuthSession") {
				return fmt.Sprintf("%.60q: %s", d, got)
			}
		}
		if got := s.ask(boss, "GET", "/private/copied", nil); got.status != 404 {
			return "a copy in another database"
		}
		return "nothing odd"
	}},
	{name: "control bytes in every header", want: "nothing odd", do: func(s *siege) string {
		for i, name := range []string{"Destination", "If-Match", "If-None-Match", "Origin", "X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Ssl", "X-Couch-Request-ID", "Content-Type", "Accept", "Accept-Encoding", "Range", "Authorization", "Cookie", "Prefer", "Idempotency-Key", "X-HTTP-Method-Override", "Referer", "traceparent", "X-Auth-CouchDB-UserName", "Expect", "Content-MD5", "Upgrade", "Host"} {
			for j, value := range []string{"a\rSet-Cookie: evil=1", "a\nSet-Cookie: evil=1", "a\x00b", "a\x7f", "\xff\xfe", "a\r\n Set-Cookie: evil=1", strings.Repeat("a", 200_000), ",,,,,,,,", "\"", "=?;:", "%0d%0aSet-Cookie: evil=1", "${jndi:ldap://x}", "-1", "99999999999999999999999"} {
				for k, line := range []string{"GET /open/q", "PUT /open/headers", "COPY /open/q"} {
					if !inSample(i+j+k, 3) {
						continue
					}
					got := s.rawText(line+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+name+": "+value+"\r\nContent-Length: 2\r\n\r\n{}", 10*time.Second)
					if strings.Contains(strings.ToLower(got), "\nset-cookie: evil") || strings.HasPrefix(got, "HTTP/1.1 500") {
						return fmt.Sprintf("%s, %s: %.20q: %.300q", line, name, value, got)
					}
				}
			}
		}
		return "nothing odd"
	}},
	{name: "an attachment's type that is a header", want: "nothing odd", do: func(s *siege) string {
		s.ask(nobody, "PUT", "/open/typed", `{"_attachments":{"a\r\nX-Evil: 1":{"content_type":"text/plain\r\nX-Evil: 1","data":"YQ=="}}}`)
		s.ask(nobody, "PUT", "/open/typed2", `{"_attachments":{"a\"; x=\"y\r\nX-Evil: 1":{"content_type":"text/html; charset=\u0000","data":"YQ=="}}}`)
		for _, path := range []string{"/open/typed?attachments=true", "/open/typed?open_revs=all&attachments=true", "/open/typed2?attachments=true", "/open/typed/a%0D%0AX-Evil:%201", "/open/_bulk_get?attachments=true"} {
			method, body := "GET", any(nil)
			if strings.Contains(path, "_bulk_get") {
				method, body = "POST", `{"docs":[{"id":"typed"},{"id":"typed2"}]}`
			}
			got := s.ask(nobody, method, path, body, "Accept: multipart/mixed, multipart/related")
			if got.header.Get("X-Evil") != "" || strings.Contains(string(got.body), "\nX-Evil") {
				return path + ": " + string(got.body)
			}
		}
		return "nothing odd"
	}},
	{name: "a host of the attacker's", want: "nothing odd", do: func(s *siege) string {
		for _, h := range []head{"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: evil", "X-Forwarded-Ssl: on", "Forwarded: host=evil.example", "X-Original-URL: /private/doc01", "X-Rewrite-URL: /private/doc01"} {
			got := s.ask(nobody, "PUT", "/open/located", `{}`, h)
			if text := got.header.Get("Location") + string(got.body); strings.Contains(text, "evil") || strings.Contains(text, "as it was") {
				return string(h) + ": " + text
			}
		}
		return "nothing odd"
	}},
	{name: "origins that are not allowed", want: "nothing odd", do: func(s *siege) string {
		for _, o := range []string{"https://evil.example", "null", "https://good.example.evil.example", "https://good.example@evil.example", "https://GOOD.example:444", "http://good.example", "https://good.example\t", "https://good.example,https://evil.example", "file://", "https://good.example/", strings.Repeat("https://good.example ", 1000)} {
			for _, method := range []string{"GET", "OPTIONS", "PUT"} {
				got := s.ask(anna, method, "/open/q", nil, head("Origin: "+o), "Access-Control-Request-Method: DELETE")
				if allowed := got.header.Get("Access-Control-Allow-Origin"); allowed != "" && allowed != "https://good.example" || strings.ContainsAny(allowed, "*") {
					return o + ": " + allowed
				}
			}
		}
		return "nothing odd"
	}},
	{name: "a range of 10,000 pieces", want: "200|206|416 .+", do: func(s *siege) string {
		if got := s.ask(nobody, "PUT", "/open/ranged/a", strings.Repeat("x", 2_000_000), "Content-Type: text/plain"); got.status != 201 && got.status != 409 {
			return got.String()
		}
		got := s.ask(nobody, "GET", "/open/ranged/a", nil, head("Range: bytes=0-"+strings.Repeat(",0-", 10_000)))
		if len(got.body) > 3_000_000 {
			return "more than there is"
		}
		return got.String()
	}},
	{name: "ranges of nonsense", want: "200|206|416 .+", do: func(s *siege) string {
		got := ""
		for _, r := range []string{"bytes=-0", "bytes=9-1", "bytes=99999999999999999999-", "bytes=-99999999999999999999", "bytes=a-b", "bytes=", "bytes", "items=0-1", "bytes=0-9223372036854775807", "bytes=9223372036854775807-9223372036854775807", "bytes=--1", "bytes=0-0,", "bytes=,,,,"} {
			if got = s.ask(nobody, "GET", "/open/ranged/a", nil, head("Range: "+r)).String(); !strings.HasPrefix(got, "20") && !strings.HasPrefix(got, "416") {
				return r + ": " + got
			}
		}
		return got
	}},
	{name: "a cookie of 1 MB", want: "4.*|cut", do: func(s *siege) string {
		return s.ask(nobody, "GET", "/_session", nil, head("Cookie: AuthSession="+strings.Repeat("a", 1_100_000))).String()
	}},
	{name: "50,000 cookies", want: "200|4.*|cut", do: func(s *siege) string {
		return s.ask(nobody, "GET", "/_session", nil, head("Cookie: "+strings.Repeat("AuthSession=YTo=; ", 50_000))).String()
	}},
	{name: "20,000 headers", want: "200|4.*|cut", do: func(s *siege) string {
		return s.raw("GET /_session HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+strings.Repeat("X-Many: y\r\n", 20_000)+"\r\n", 10*time.Second)
	}},
	{name: "headers without end", want: "431.*|400.*|cut", do: func(s *siege) string {
		return s.raw("GET /_session HTTP/1.1\r\nHost: x\r\n"+strings.Repeat("X-Many: "+strings.Repeat("y", 1000)+"\r\n", 20_000), 10*time.Second)
	}},

	// Pretending to be somebody.
	{name: "cookies that were forged", want: "nobody", do: func(s *siege) string {
		encode := base64.RawURLEncoding.EncodeToString
		now := fmt.Sprintf("%X", time.Now().Unix())
		var values []string
		for _, name := range []string{"admin", "anna", "", "admin:x", "\x00"} {
			for _, tail := range []string{"", ":", "::", ":" + now + ":", ":" + now + ":" + strings.Repeat("\x00", 20), ":" + now + ":" + strings.Repeat("\x00", 32), ":FFFFFFFFFFFFFFFF:" + strings.Repeat("a", 20), ":-1:x", ":" + strings.Repeat("F", 100_000) + ":x"} {
				values = append(values, encode([]byte(name+tail)))
			}
			mac := hmac.New(sha256.New, nil) // of no secret at all
			io.WriteString(mac, name+":"+now)
			values = append(values, encode([]byte(name+":"+now+":"+string(mac.Sum(nil)))))
		}
		return s.whoAmI(values, func(v string) head { return head("Cookie: AuthSession=" + v) })
	}},
	{name: "JWTs that were forged", want: "nobody", do: func(s *siege) string {
		part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
		sign := func(header, claims, key string) string {
			mac := hmac.New(sha256.New, []byte(key))
			io.WriteString(mac, part(header)+"."+part(claims))
			return part(header) + "." + part(claims) + "." + part(string(mac.Sum(nil)))
		}
		me := fmt.Sprintf(`{"sub":"admin","_couchdb.roles":["_admin"],"exp":%d}`, time.Now().Add(time.Hour).Unix())
		values := []string{
			part(`{"alg":"none"}`) + "." + part(me) + ".", part(`{"alg":"None","typ":"JWT"}`) + "." + part(me) + "." + part("x"), part(`{"alg":"HS256"}`) + "." + part(me) + ".",
			sign(`{"alg":"HS256"}`, me, ""), sign(`{"alg":"HS256","kid":"../../etc/passwd"}`, me, ""), sign(`{"alg":"HS256","kid":0}`, me, ""), sign(`{"alg":"HS256","jwk":{"kty":"oct","k":"eA"}}`, me, "x"),
			sign(`{"alg":"RS256"}`, me, "a secret of the signer"), sign(`{"alg":"HS256","crit":["exp"]}`, me, "a secret of the signer"),
			sign(`{"alg":"HS256","kid":7}`, me, "a secret of the signer"), sign(`{"alg":"HS256","kid":"other"}`, me, "a secret of the signer"),
			"..", ".", "", strings.Repeat("a.", 100_000), strings.Repeat("a", 500_000) + ".a.a", part(strings.Repeat("[", 100_000)) + ".a.a",
		}
		return s.whoAmI(values, func(v string) head { return head("Authorization: Bearer " + v) })
	}},
	{name: "tokens of devices that were forged", want: "nobody", do: func(s *siege) string {
		d := s.device
		values := []string{d + "x", d[:len(d)-1], strings.ToUpper(d), d[1:], strings.Replace(d, ".", "..", 1), d + "." + d}
		for i := range d { // each byte in turn; the padding bits of base64 alone may be anything
			if c := d[i]; c != '.' && i != len(d)-1 && inSample(i, 4) {
				other := byte('A')
				if c == 'A' {
					other = 'B'
				}
				values = append(values, d[:i]+string(other)+d[i+1:])
			}
		}
		return s.whoAmI(values, func(v string) head { return head("Authorization: Bearer " + v) })
	}},
	{name: "Basic of odd bytes", long: true, want: "nobody", do: func(s *siege) string {
		var values []string
		for _, v := range []string{"", ":", "admin", "admin:", ":secret", "admin\x00:secret", "ADMIN:secret", "admin :secret", " admin:secret", "\xff\xfe:\xff", "org.couchdb.user:anna:apple pie", "anna@x:apple pie", "a:" + strings.Repeat("x", 400_000), strings.Repeat("a", 400_000) + ":x", "admin:-pbkdf2-abc,def,1", "_admin:x", "nobody:", "null:null"} {
			values = append(values, base64.StdEncoding.EncodeToString([]byte(v)))
		}
		values = append(values, "!!!!", "=", strings.Repeat("A", 500_001), "YWRtaW46c2VjcmV0\x80")
		return s.whoAmI(values, func(v string) head { return head("Authorization: Basic " + v) })
	}},
	{name: "headers of a proxy that is none", want: "nobody", do: func(s *siege) string {
		return s.whoAmI([]string{"admin"}, func(v string) head { return head("X-Auth-CouchDB-UserName: " + v) })
	}},

	// Requests within requests.
	{name: "requests that hide another", want: "nothing odd", do: func(s *siege) string {
		hidden := "GET /_up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
		chunked := "0\r\n\r\n" + hidden
		for _, r := range []string{
			fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%s", len(chunked), chunked),
			fmt.Sprintf("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n%s", chunked),
			fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: xchunked\r\n\r\n%s", len(chunked), chunked),
			fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding : chunked\r\n\r\n%s", len(chunked), chunked),
			fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: identity, chunked\r\n\r\n%s", len(chunked), chunked),
			fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding:\x0bchunked\r\n\r\n%s", len(chunked), chunked),
			fmt.Sprintf("Content-Length: %d\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n%s", len(chunked), chunked),
			fmt.Sprintf("Content-Length: 0\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden),
			fmt.Sprintf("Content-Length: %d\r\nContent-Length: 0\r\n\r\n%s", len(hidden), hidden),
			fmt.Sprintf("Content-Length: 0, %d\r\n\r\n%s", len(hidden), hidden),
			fmt.Sprintf("Content-Length: +%d\r\n\r\n%s", len(hidden), hidden),
			fmt.Sprintf("Content-Length: 0x%x\r\n\r\n%s", len(hidden), hidden),
			fmt.Sprintf("Content-Length\x00: %d\r\n\r\n%s", len(hidden), hidden),
			fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n0;%s\r\n\r\n%s", strings.Repeat("x", 10), "") + "",
			"Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden),
			"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden,
			"Transfer-Encoding: chunked\r\n\r\n00000000000000000000000000000000000000\r\n\r\n",
			"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked,
		} {
			// A proxy in front has taken this for one request; what comes back must be one answer, or
			// the connection must end.
			got := s.rawText("POST /open/_ensure_full_commit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+r, 2*time.Second)
			if n := strings.Count(got, `"status":"ok"`); n > 0 && !honest(r) {
				return fmt.Sprintf("%q: %q", r, got)
			}
		}
		return "nothing odd"
	}},
	{name: "requests that are none", want: "nothing odd", do: func(s *siege) string {
		for _, r := range []string{"\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("A", 2_000_000), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "CONNECT private:80 HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\n\r\n", "TRACE / HTTP/1.1\r\nHost: x\r\nX-Secret: 1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", strings.Repeat("M", 100_000) + " / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: " + strings.Repeat("x", 100_000) + "\r\n\r\n"} {
			got := s.rawText(r, 2*time.Second)
			if strings.Contains(got, "X-Secret") || strings.HasPrefix(got, "HTTP/1.1 5") && !strings.HasPrefix(got, "HTTP/1.1 505") && !strings.HasPrefix(got, "HTTP/1.1 501") {
				return fmt.Sprintf("%.60q: %.300q", r, got)
			}
		}
		return "nothing odd"
	}},
	{name: "methods that stand for another", want: "all refused", do: func(s *siege) string {
		for _, h := range []head{"X-HTTP-Method-Override: PUT", "X-HTTP-Method-Override: DELETE", "X-HTTP-Method-Override: COPY"} {
			for _, path := range []string{"/victim", "/private/doc01", "/victim/_design/rules", "/victim/_security"} {
				if got := s.ask(nobody, "POST", path, `{}`, h).String(); !strings.HasPrefix(got, "4") {
					return string(h) + " " + path + ": " + got
				}
			}
		}
		return "all refused"
	}},

	// Many connections.
	{name: "headers that are dribbled by many", want: "408.*|400.*|cut", do: together(many(300, 60), func(s *siege) string {
		conn, err := net.Dial("tcp", s.address())
		if err != nil {
			return "no connection"
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		go func() {
			io.WriteString(conn, "GET /_up HTTP/1.1\r\nHost: x\r\n")
			for range 100 {
				if _, err := io.WriteString(conn, "X-Slow: y\r\n"); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}()
		return s.rawAnswer(conn)
	})},
	{name: "connections that say nothing", want: "answered", do: func(s *siege) string {
		return s.besides(many(2000, 500), "", func() string { return s.ask(nobody, "GET", "/_up", nil).String() })
	}},
	{name: "feeds", want: "fed", do: func(s *siege) string {
		return s.feeds(many(1000, 250), "/open/_changes?feed=continuous&since=now&heartbeat=60000", 2*time.Second)
	}},
	{name: "2,000 feeds", want: "fed", do: func(s *siege) string { // a feed takes some 85 kB
		return s.feeds(2000, "/open/_changes?feed=continuous&since=now&heartbeat=60000", 10*time.Second)
	}, long: true},
	{name: "300 readers that do not read", want: "answered", do: func(s *siege) string {
		s.ask(nobody, "PUT", "/open/unread/a", strings.Repeat("x", 8_000_000), "Content-Type: text/plain")
		return s.besides(300, "GET /open/unread/a HTTP/1.1\r\nHost: x\r\n\r\n", func() string { return s.ask(nobody, "GET", "/_up", nil).String() })
	}, long: true},
	{name: "readers of all documents that do not read", want: "answered", do: func(s *siege) string {
		var docs []string
		for range 200 {
			docs = append(docs, `{"text":"`+strings.Repeat("x", 20_000)+`"}`)
		}
		s.ask(nobody, "POST", "/open/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
		return s.besides(many(300, 100), "GET /open/_all_docs?include_docs=true HTTP/1.1\r\nHost: x\r\n\r\n", func() string { return s.ask(nobody, "GET", "/_up", nil).String() })
	}},
	{name: "150 readers of large documents that do not read", want: "answered", do: func(s *siege) string {
		for i := range 3 {
			if got := s.ask(nobody, "PUT", fmt.Sprint("/open/largedoc", i), list(`{"a":["`, `aaaaaaaaaa`, `"]}`, 790_000, "")); got.status != 201 && got.status != 409 {
				return got.String()
			}
		}
		up := func() string { return s.ask(nobody, "GET", "/_up", nil).String() }
		for _, path := range []string{"/open/largedoc0", `/open/_all_docs?include_docs=true&startkey=%22large%22`, "/open/_changes?include_docs=true&descending=true&limit=5"} {
			if got := s.besides(150, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n", up); got != "answered" {
				return path + ": " + got
			}
		}
		return "answered"
	}, long: true},
	{name: "200 readers of large documents at once", want: "200|200 cut|503 .+", do: together(200, func(s *siege) string {
		return s.ask(nobody, "GET", "/open/largedoc0", nil).String()
	}), long: true},
	{name: "requests in a row on one connection", want: "answered", do: func(s *siege) string {
		conn, err := net.Dial("tcp", s.address())
		if err != nil {
			return "no connection"
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		n := many(5000, 1000)
		go io.WriteString(conn, strings.Repeat("GET /_up HTTP/1.1\r\nHost: x\r\n\r\n", n))
		in := bufio.NewReader(conn)
		for i := range n {
			got, err := http.ReadResponse(in, nil)
			if err != nil || read(got).status != 200 {
				return fmt.Sprintf("%d: %v", i, err)
			}
		}
		return "answered"
	}},
}

// honest tells whether every server that follows RFC 9112 reads a request in the same way: a
// chunked one ends with its last chunk, whatever else its head says.
func honest(r string) bool {
	h, body, _ := strings.Cut(r, "\r\n\r\n")
	return strings.Contains("\r\n"+h+"\r\n", "\r\nTransfer-Encoding: chunked\r\n") && strings.Count(h, "Transfer-Encoding") == 1 && !strings.HasPrefix(body, "-")
}

// rawText sends bytes as they are and returns everything that comes back.
func (s *siege) rawText(request string, patience time.Duration) string {
	conn, err := net.Dial("tcp", s.address())
	if err != nil {
		return ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	go func() {
		io.WriteString(conn, request)
		if !strings.Contains(request, "Connection: close") { // a server believes that a client that closes its side has gone
			conn.(*net.TCPConn).CloseWrite()
		}
	}()
	text, _ := io.ReadAll(io.LimitReader(conn, 1<<20))
	return string(text)
}

// whoAmI sends credentials that nobody was given, and returns the first user that the server
// takes the sender for.
func (s *siege) whoAmI(values []string, h func(string) head) string {
	for _, v := range values {
		for _, path := range []string{"/_session", "/private/doc01", "/victim/doc01"} {
			r, err := http.NewRequestWithContext(s.t.Context(), "GET", s.base+path, nil)
			if err != nil {
				return err.Error()
			}
			name, value, _ := strings.Cut(string(h(v)), ": ")
			r.Header.Set(name, value)
			got := s.sendBy(elsewhere, r)
			if got.status >= 500 || path == "/_session" && got.status == 200 && !strings.Contains(string(got.body), `"name":null`) || path != "/_session" && got.status == 200 {
				return fmt.Sprintf("%.200q: %v %.300s", v, got, got.body)
			}
		}
	}
	return "nobody"
}

// besides opens n connections, sends the same on each, and makes a request while they are open.
func (s *siege) besides(n int, request string, ask func() string) string {
	conns := make([]net.Conn, n)
	var work sync.WaitGroup
	for i := range n {
		work.Go(func() {
			conn, err := net.Dial("tcp", s.address())
			if err == nil {
				conns[i] = conn
				io.WriteString(conn, request)
			}
		})
	}
	work.Wait()
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	time.Sleep(300 * time.Millisecond)
	for range 20 {
		if got := ask(); got != "200" {
			return got
		}
	}
	return "answered"
}
