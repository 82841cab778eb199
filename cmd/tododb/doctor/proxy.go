package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// noDatabase is how servers say in their answers that there is no such database.
const noDatabase = "Database does not exist."

// escapes finds out whether an escaped slash arrives as such: it is part of ids and of databases' names.
func (v *visit) escapes(ctx context.Context) {
	const check = "paths"
	if v.database == "" {
		return // the answers for documents tell, and there is none without a database
	}
	// One is a document of the database, the other a database: neither is there, and the server says which.
	split, err := v.get(ctx, v.database+"/tododb-doctor")
	if err != nil || split.StatusCode != http.StatusNotFound {
		return
	}
	if name := strings.Trim(v.database, "/"); split.ours() && strings.Contains(split.body, noDatabase) && !strings.Contains(name, "%") {
		v.fault("database", "There is no database "+name+" at the server.", "Compare the spelling, or make it: tododb db create "+name+".")
		return
	}
	whole, err := v.get(ctx, v.database+"%2Ftododb-doctor")
	if err != nil {
		v.fault(check, "A path with an escaped slash (%2F) fails: "+err.Error()+".", "Let the proxy pass paths on as they are.")
		return
	}
	if !whole.ours() || whole.body == split.body {
		v.fault(check, "Something in front of the server takes %2F in a path for a slash, so ids with slashes do not work.", "Let the proxy pass paths on as they are (Apache: AllowEncodedSlashes NoDecode, and nocanon; nginx: proxy_pass without a path).")
		return
	}
	v.ok(check, "Paths arrive as they are sent.")
}

// longBody is what common proxies refuse unless they are told not to, and every first synchronization needs.
const longBody = 3 << 20

// long sends more than proxies let through by default. What is sent asks for nothing.
func (v *visit) long(ctx context.Context) {
	const check = "limits"
	path, body := "_dbs_info", `{"keys":[]`+strings.Repeat(" ", longBody)+`}`
	switch {
	case v.database != "":
		path, body = v.database+"/_revs_diff", `{`+strings.Repeat(" ", longBody)+`}`
	case v.Name == "":
		v.skip(check, "Give a database's URL, or an administrator's name and password, to see whether long requests get through.")
		return
	}
	q, err := v.request(ctx, http.MethodPost, path, body)
	if err != nil {
		return
	}
	a, err := v.do(q)
	cure := "Let the proxy take long requests (nginx: client_max_body_size 0;)."
	switch {
	case err != nil:
		v.fault(check, fmt.Sprintf("A request of %d MiB does not get through: %v.", longBody>>20, err), cure)
	case a.ours() && (a.StatusCode == http.StatusUnauthorized || a.StatusCode == http.StatusForbidden):
		v.skip(check, "Whether long requests get through is not seen: the server refuses "+who(v.Name)+".")
	case a.StatusCode == http.StatusRequestEntityTooLarge && a.ours():
		v.fault(check, fmt.Sprintf("The server takes no request of %d MiB.", longBody>>20), "Raise [chttpd] max_http_request_size.")
	case !a.ours():
		v.fault(check, fmt.Sprintf("Something in front of the server takes no request of %d MiB: it answers %s.", longBody>>20, a.Status), cure)
	default:
		v.ok(check, fmt.Sprintf("A request of %d MiB gets through.", longBody>>20))
	}
}

// feeds opens feeds that nothing but heartbeats come from: often ones, to see whether something keeps them back, and
// a late one, to see whether something cuts a connection that is silent for so long.
func (v *visit) feeds(ctx context.Context) {
	path := "_db_updates"
	switch {
	case v.database != "":
		path = v.database + "/_changes"
	case v.Name == "":
		v.skip("feeds", "Give a database's URL, or an administrator's name and password, to see whether feeds work.")
		return
	}
	began := time.Now()
	often := v.heartbeats(ctx, path, 500*time.Millisecond, v.Patience/2)
	switch {
	case often.refused != "":
		v.skip("feeds", "Whether feeds work is not seen: the server answers "+often.refused+".")
		return
	case often.beats < 2:
		v.fault("feeds", fmt.Sprintf("Nothing of a feed arrives within %v, though the server sends something twice a second: a proxy keeps it back.", time.Since(began).Round(100*time.Millisecond)),
			"Turn buffering off for the server (nginx: proxy_buffering off; or for one answer X-Accel-Buffering: no), and compression of what streams.")
		return
	}
	v.ok("feeds", fmt.Sprintf("What a feed sends arrives at once, after %v.", often.first.Round(time.Millisecond)))
	late := v.heartbeats(ctx, path, v.Idle, v.Idle+v.Patience/2)
	if late.beats == 0 {
		v.fault("idle connections", fmt.Sprintf("A connection is cut after %v without traffic (%v).", late.lasted.Round(100*time.Millisecond), late.err),
			"Let the proxy wait longer (nginx: proxy_read_timeout 1h; HAProxy: timeout server and timeout tunnel), or have clients ask for a heartbeat that is shorter than this.")
		return
	}
	v.ok("idle connections", fmt.Sprintf("A connection lives for %v without traffic.", v.Idle))
}

// pulse is what a feed has sent.
type pulse struct {
	beats   int
	first   time.Duration // until the first beat
	lasted  time.Duration
	refused string // the status, if there was no feed
	err     error
}

// heartbeats listens to a feed until two beats, or its end, or for so long.
func (v *visit) heartbeats(ctx context.Context, path string, every, most time.Duration) (p pulse) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	began := time.Now()
	defer func() { p.lasted = time.Since(began) }()
	want := 2
	if every >= v.Idle {
		want = 1
	}
	q, err := v.request(ctx, http.MethodGet, path+"?feed=continuous&since=now&heartbeat="+strconv.FormatInt(every.Milliseconds(), 10), "")
	if err != nil {
		p.err = err
		return p
	}
	resp, err := v.client.Do(q)
	if err != nil {
		p.err = err
		return p
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		p.refused = resp.Status
		return p
	}
	lines := bufio.NewReader(resp.Body)
	for p.beats < want {
		if _, err := lines.ReadString('\n'); err != nil {
			p.err = err
			if errors.Is(err, context.DeadlineExceeded) {
				p.err = errors.New("silence")
			}
			return p
		}
		if p.beats++; p.beats == 1 {
			p.first = time.Since(began)
		}
	}
	return p
}
