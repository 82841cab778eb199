package main

import (
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/widetest"
)

// Rows of views may be large. Rows within the limits come whole, though all of them together are
// larger than the server's memory. A function that emits a larger one is stopped, and its caller
// is told so.
func TestHostileLargeRows(t *testing.T) {
	widetest.Only(t)
	besideOthers(t)
	const docs = 8
	for _, c := range []struct {
		name, settings string
		size           int
		want           string
		long           bool
	}{
		{"beyond the limits", "", 40_000_000, "500 os_process_error", false},
		{"within the limits", "", 33_000_000, "200", true},
		{"within higher ones", "[query_server_config]\nos_process_memory_limit = 402653184\n", 40_000_000, "200", true},
	} {
		if c.long && !allAttacks() {
			continue // they write hundreds of megabytes
		}
		t.Run(c.name, func(t *testing.T) {
			s := besiege(t, confinement{Memory: 768 << 20}, c.settings)
			for i := range docs {
				s.do(201, "PUT", "/open/large"+strconv.Itoa(i), `{"n":1}`)
			}
			s.do(201, "PUT", "/open/_design/large", `{"views":{"v":{"map":"function(doc){if(doc.n)emit(doc._id,\"x\".repeat(`+strconv.Itoa(c.size)+`))}"}}}`)
			s.do(201, "PUT", "/open/_design/other", `{"views":{"v":{"map":"function(doc){if(doc.n)emit(doc._id,1)}"}}}`)
			got, err := attackers.Do(s.request("GET", "/open/_design/large/_view/v", ""))
			switch {
			case err != nil:
				t.Errorf("the rows are not answered: %v", err)
			case c.want == "200" && got.StatusCode == 200:
				rows := &xCounter{}
				n, err := io.Copy(rows, got.Body)
				got.Body.Close()
				// What is around the values has no x in it.
				if err != nil || rows.n != docs*c.size || n > docs*int64(c.size+200) {
					t.Errorf("%d bytes, %d of them of values of %d, %v", n, rows.n, docs*c.size, err)
				}
			default:
				if answer := read(got); answer.String() != c.want || !strings.Contains(string(answer.body), `"reason":"the function emits too much`) {
					t.Errorf("it is answered %s: %.300s", answer, answer.body)
				}
			}
			if s.dead() {
				t.Fatalf("the server ended: %v\n%s", s.cmd.ProcessState, tail(s.log.String()))
			}
			if other := s.ask(nobody, "GET", "/open/_design/other/_view/v", nil); other.status != 200 || strings.Count(string(other.body), `"value":1`) != docs {
				t.Errorf("another view is answered %v: %.300s", other, other.body)
			}
			t.Logf("%d MiB at most", s.watch.peak("")>>20)
		})
	}
}

// xCounter counts the letters x that are written to it.
type xCounter struct{ n int }

func (c *xCounter) Write(b []byte) (int, error) {
	c.n += strings.Count(string(b), "x")
	return len(b), nil
}
