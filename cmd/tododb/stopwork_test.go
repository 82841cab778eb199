package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ends stops a busy server. It must end by itself: no step of stopping may take so long that the
// next one begins without it.
func ends(t *testing.T, server *process) {
	t.Helper()
	server.stop()
	if log := server.log.String(); !strings.Contains(log, `"msg":"stopping"`) || strings.Contains(log, "replications are still stopping") || strings.Contains(log, "requests are still running") {
		t.Errorf("the server did not end by itself\n%s", log)
	}
}

// A replication that reaches its own server by URL writes its last checkpoint, because the server
// answers until then.
func TestStopWithReplicationToItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := startServer(t, dir, "")
	self := func(db string) string {
		u, _ := url.Parse(server.base)
		u.User, u.Path = url.UserPassword(testUser, testPassword), "/"+db
		return u.String()
	}
	for _, db := range []string{"/from", "/to"} {
		server.do(201, "PUT", db, "")
	}
	server.do(201, "PUT", "/from/one", "{}")
	server.do(202, "POST", "/_replicate", fmt.Sprintf(`{"source":%q,"target":%q,"continuous":true}`, self("from"), self("to")))
	await(t, "the first document", func() bool { return status(t, server, "/to/one") == 200 })
	server.do(201, "PUT", "/from/two", "{}")
	await(t, "the second document", func() bool {
		return strings.Contains(server.do(200, "GET", "/_active_tasks", ""), `"through_seq":"2-`)
	})
	ends(t, server)

	server = startServer(t, dir, "")
	for _, db := range []string{"/from", "/to"} {
		var found struct {
			Rows []struct {
				Doc struct {
					Seq string `json:"source_last_seq"`
				}
			}
		}
		text := server.do(200, "GET", db+"/_local_docs?include_docs=true", "")
		if err := json.Unmarshal([]byte(text), &found); err != nil || len(found.Rows) != 1 || !strings.HasPrefix(found.Rows[0].Doc.Seq, "2-") {
			t.Errorf("the checkpoint of %s: %s", db, text)
		}
	}
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: in vain", what)
		}
	}
}

func status(t *testing.T, server *process, path string) int {
	t.Helper()
	answer, err := http.DefaultClient.Do(server.request("GET", path, ""))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// Whatever is going on, the server ends within ten seconds.
func TestStopWithWorkUnderWay(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(t *testing.T, server *process){
		"an upload that stalls":                 stallUpload,
		"a download that nobody reads":          stallDownload,
		"a view of a slow function":             buildSlowly,
		"a query that looks at all documents":   queryAll,
		"a compaction":                          compactMuch,
		"the check of a costly password":        hashSlowly,
		"a replication with a peer that is mum": replicateWithMum,
		"a synchronization with itself":         synchronizeWithSelf,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t, t.TempDir(), "")
			server.do(201, "PUT", "/db", "")
			begin(t, server)
			// Work that cannot be cancelled is cut off: then the process ends in time, with status 4.
			server.cmd.Process.Signal(syscall.SIGTERM)
			began := time.Now()
			select {
			case <-server.done:
			case <-time.After(2 * time.Minute):
				t.Fatalf("it does not end\n%s", server.log)
			}
			// A busy machine notices late that the time is over.
			code := server.cmd.ProcessState.ExitCode()
			if took := time.Since(began); took > 2*stopProcess || code != 0 && code != exitForced {
				t.Errorf("stopping took %v, exit code %d\n%s", took, code, server.log)
			}
			t.Logf("%v, exit code %d", time.Since(began), code)
		})
	}
}

// goOn makes a request whose answer does not matter: the server is stopped meanwhile.
func goOn(t *testing.T, server *process, method, path, body string) {
	r := server.request(method, path, body)
	go func() {
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}()
}

func fill(server *process, n int) {
	var b strings.Builder
	for from := 0; from < n; from += 5000 {
		b.Reset()
		b.WriteString(`{"docs":[`)
		for i := from; i < min(from+5000, n); i++ {
			if i > from {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"_id":"%07d","n":%d,"text":"%s"}`, i, i, strings.Repeat("a", 100))
		}
		b.WriteString("]}")
		server.do(201, "POST", "/db/_bulk_docs", b.String())
	}
}

// sendHead sends the head of a request and returns the connection.
func sendHead(t *testing.T, server *process, head string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", server.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.(*net.TCPConn).SetReadBuffer(4096)
	authorization := server.request("GET", "/", "").Header.Get("Authorization")
	if _, err := fmt.Fprintf(conn, "%s\r\nHost: %s\r\nAuthorization: %s\r\n\r\n", head, server.address(), authorization); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func stallUpload(t *testing.T, server *process) {
	conn, answer := sendHead(t, server, "POST /db/_bulk_docs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100000\r\nExpect: 100-continue")
	if line, err := answer.ReadString('\n'); !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	fmt.Fprint(conn, `{"docs":[{"_id":"a"},`)
}

func stallDownload(t *testing.T, server *process) {
	r := server.request("PUT", "/db/big/a", "")
	r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, 64<<20)), 64<<20
	if answer, err := http.DefaultClient.Do(r); err != nil || answer.StatusCode != 201 {
		t.Fatal(answer, err)
	}
	_, answer := sendHead(t, server, "GET /db/big/a HTTP/1.1")
	if line, err := answer.ReadString('\n'); !strings.Contains(line, "200 OK") {
		t.Fatalf("%q, %v", line, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func buildSlowly(t *testing.T, server *process) {
	fill(server, 1000)
	server.do(201, "PUT", "/db/_design/d", `{"views":{"v":{"map":"function(doc){var end=Date.now()+300;while(Date.now()<end);emit(doc._id,1)}"}}}`)
	goOn(t, server, "GET", "/db/_design/d/_view/v", "")
	await(t, "the build", func() bool { return strings.Contains(server.do(200, "GET", "/_active_tasks", ""), "indexer") })
}

func queryAll(t *testing.T, server *process) {
	fill(server, 20_000)
	var b strings.Builder
	b.WriteString(`{"selector":{"$or":[{"n":-1}`)
	for i := range 3000 {
		fmt.Fprintf(&b, `,{"text":{"$regex":"^a*b%d$"}}`, i)
	}
	b.WriteString("]}}")
	goOn(t, server, "POST", "/db/_find", b.String())
	busy(t, server)
}

func compactMuch(t *testing.T, server *process) {
	fill(server, 50_000)
	server.do(202, "POST", "/db/_compact", "{}")
}

func hashSlowly(t *testing.T, server *process) {
	server.do(201, "PUT", "/_users/org.couchdb.user:anna", `{"name":"anna","type":"user","roles":[],"password_scheme":"pbkdf2","pbkdf2_prf":"sha256","iterations":10000000,"salt":"0123456789abcdef","derived_key":"`+strings.Repeat("ab", 32)+`"}`)
	r := server.request("GET", "/db", "")
	r.SetBasicAuth("anna", "x")
	go http.DefaultClient.Do(r)
	busy(t, server)
}

// busy waits until the server has been computing for a while.
func busy(t *testing.T, server *process) {
	t.Helper()
	used := func() (ticks int) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", server.cmd.Process.Pid))
		if err != nil {
			t.Skip("no /proc")
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		ticks, _ = strconv.Atoi(strings.Fields(rest)[11])
		return ticks
	}
	before := used()
	await(t, "work", func() bool { return used() > before+30 }) // hundredths of a second
}

func replicateWithMum(t *testing.T, server *process) {
	mum, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mum.Close() })
	reached := make(chan struct{})
	go func() {
		conn, err := mum.Accept()
		if err == nil {
			t.Cleanup(func() { conn.Close() })
		}
		close(reached)
	}()
	goOn(t, server, "POST", "/_replicate", fmt.Sprintf(`{"source":"http://%s/x","target":"db"}`, mum.Addr()))
	<-reached
}

func synchronizeWithSelf(t *testing.T, server *process) {
	fill(server, 1000)
	server.do(201, "PUT", "/other", "")
	u, _ := url.Parse(server.base)
	u.User, u.Path = url.UserPassword(testUser, testPassword), "/other"
	server.do(201, "POST", "/db/_synchronizations", fmt.Sprintf(`{"remote":%q,"continuous":true}`, u))
	await(t, "the first documents", func() bool { return status(t, server, "/other/0000001") == 200 })
}
