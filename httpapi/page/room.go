package page

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
)

// Room answers requests for the page.
type Room struct {
	files    func() map[string]*file // read when somebody first asks for one
	settings func() *settings
}

// New makes a Room.
func New(c *config.Config) *Room {
	return &Room{files: bundled, settings: config.Follow(c, readSettings)}
}

// settings are the settings for the page.
type settings struct {
	policy []string // its Content-Security-Policy; nil: none
}

func readSettings(c *config.Config, _ *settings) *settings {
	set := &settings{}
	if c.Bool("csp", "utils_enable") {
		set.policy = []string{c.String("csp", "utils_header_value")}
	}
	return set
}

var (
	revalidate = []string{"no-cache"}
	forEver    = []string{"public, max-age=31536000, immutable"}
	byCoding   = []string{"Accept-Encoding"}
	codingGzip = []string{"gzip"}
	deny       = []string{"DENY"}
	noReferrer = []string{"no-referrer"}
)

// behindProxy tells whether a proxy says that it has passed the request on. Only it knows the path
// that the client asked for.
func behindProxy(r *http.Request) bool {
	return slices.ContainsFunc([]string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}, func(name string) bool { return r.Header[name] != nil })
}

// Serve answers GET and HEAD /_utils/ and what is below it.
func (p *Room) Serve(w http.ResponseWriter, r *http.Request) error {
	if !strings.HasPrefix(r.RequestURI, "/_utils/") {
		to := "_utils/" // which is right whatever a proxy puts before it
		if !behindProxy(r) {
			to = wire.Absolute(r, "/_utils/") // as CouchDB answers
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusMovedPermanently)
		return nil
	}
	rest, _ := wire.Part(r, "rest")
	name := strings.TrimPrefix(rest, "/")
	if name == "" {
		name = index
	}
	files := p.files()
	f := files[name]
	h := w.Header()
	if policy := p.settings().policy; policy != nil {
		h["Content-Security-Policy"] = policy
	} else {
		h["X-Frame-Options"] = deny // whose clicks would be the visitor's
	}
	switch {
	case files[index] == nil:
		return notBuilt(w, r)
	case f == nil:
		return errNoFile
	}
	h["Content-Type"] = []string{f.kind}
	h["Cache-Control"] = forEver
	h["Vary"] = byCoding
	h["Referrer-Policy"] = noReferrer
	if name == index {
		h["Cache-Control"] = revalidate
	}
	if wire.AcceptsCoding(r, "gzip") {
		h["Etag"] = []string{`"` + f.etag + `-gzip"`}
		h["Content-Encoding"] = codingGzip
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.gzip))
		return nil
	}
	plain, err := f.plain()
	if err != nil {
		return err
	}
	h["Etag"] = []string{`"` + f.etag + `"`}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(plain))
	return nil
}

var (
	errNoFile   = wire.Errorf(http.StatusNotFound, "not_found", "The page has no such file.")
	errNotBuilt = wire.Errorf(http.StatusNotImplemented, "not_implemented", "%s", howToBuild)
)

const howToBuild = "The page is not in this program: run make build where its sources are, which needs Node.js and npm, and start the program that it makes."

// notBuilt answers people and programs in a program without the page.
func notBuilt(w http.ResponseWriter, r *http.Request) error {
	if !wire.AcceptsType(r, "text/html") {
		return errNotBuilt
	}
	h := w.Header()
	h["Content-Type"] = []string{"text/html; charset=utf-8"}
	h["Cache-Control"] = revalidate
	w.WriteHeader(http.StatusNotImplemented)
	_, err := w.Write([]byte("<!doctype html><html lang=en><title>tododb</title><p>" + howToBuild + "</p></html>\n"))
	return err
}
