package httpapitest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// DocStep is one request to a database, and what it must answer. It has no type of its own, so
// that tables of steps need no names of fields in every line.
type DocStep = struct {
	Method string
	Path   string // "anonymous:" before it: nobody asks, and not the administrator
	Body   string
	Status int
	Want   string // the JSON without ends of lines, or a regular expression after a tilde
}

// RunDocSteps makes requests one after another.
func RunDocSteps(t testing.TB, s http.Handler, steps []DocStep) {
	t.Helper()
	for _, c := range steps {
		path, anonymous := strings.CutPrefix(c.Path, "anonymous:")
		headers := []string{"Admin", ""}
		if anonymous {
			headers = nil
		}
		w := Call(s, c.Method, path, c.Body, headers...)
		got := strings.NewReplacer("\r\n", "", "\n", "").Replace(w.Body.String())
		if !matches(got, c.Want) || w.Code != c.Status {
			t.Errorf("%s %s %s:\n got %d %s\nwant %d %s", c.Method, path, c.Body, w.Code, got, c.Status, c.Want)
		}
		if c.Status != 406 && strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && c.Method != "HEAD" && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: not JSON: %s", c.Method, path, got)
		}
	}
}

// Step is one request of the administrator, and what must come back. It is no type of its own
// either.
type Step = struct {
	Request string // "METHOD path"
	Body    string
	Header  string // of the request: "Name: value"
	Status  int
	Want    string // the body, or a regular expression after a tilde; an empty one is not looked at
	Answers string // header of the answer: "Name: value"; "Name: " is a header that must not be there
}

// RunSteps makes requests one after another.
func RunSteps(t testing.TB, s http.Handler, steps []Step) {
	t.Helper()
	for i, c := range steps {
		method, path, _ := strings.Cut(c.Request, " ")
		headers := []string{"Admin", "", "Accept", "application/json"}
		if name, value, ok := strings.Cut(c.Header, ": "); ok {
			headers = append(headers, name, value)
		}
		w := Call(s, method, path, c.Body, headers...)
		got := strings.TrimSuffix(w.Body.String(), "\n")
		if w.Code != c.Status || c.Want != "" && !matches(got, c.Want) {
			t.Errorf("step %d, %s: %d %s\nwant %d %s", i+1, c.Request, w.Code, got, c.Status, c.Want)
		}
		if name, value, is := strings.Cut(c.Answers, ": "); is && w.Header().Get(name) != value {
			t.Errorf("step %d, %s: %s is %q, want %q", i+1, c.Request, name, w.Header().Get(name), value)
		}
	}
}

// matches compares a text with what it must be, or with a regular expression after a tilde.
func matches(got, want string) bool {
	if pattern, is := strings.CutPrefix(want, "~"); is {
		return regexp.MustCompile(pattern).MatchString(got)
	}
	return got == want
}
