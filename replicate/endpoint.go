package replicate

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/idna"

	"github.com/tododb/tododb/store/jsonscan"
)

// Endpoint is a source or target as a request names it.
type Endpoint struct {
	URL      string // without credentials, ending in a slash; "" for a local database
	Local    string // name of a local database
	Instance string // that database is this one (store.DB.Was), and no later one of its name; "": whichever has the name
	Headers  http.Header
	User     string
	Password string

	Proxy     *url.URL      // the way to it; nil: as the environment says
	Silence   time.Duration // how long it may be silent (30 s)
	NoBulkGet bool          // ask for one document at a time
	NewDB     url.Values    // query parameters for creating the database
}

// Name returns the endpoint without credentials.
func (e *Endpoint) Name() string {
	if e.URL != "" {
		return e.URL
	}
	return e.Local
}

// parseEndpoint reads a URL, a database's name, or an object with url, headers and auth.
func parseEndpoint(v []byte) (Endpoint, error) {
	if text, err := jsonscan.Text(v); err == nil {
		return endpointOf(text, nil)
	}
	var object struct {
		URL     *string           `json:"url"`
		Headers map[string]string `json:"headers"`
		Auth    struct {
			Basic *struct{ Username, Password string } `json:"basic"`
		} `json:"auth"`
	}
	if err := json.Unmarshal(v, &object); err != nil || object.URL == nil {
		return Endpoint{}, &BadEndpoint{"endpoint has an invalid url"}
	}
	headers := http.Header{}
	for name, value := range object.Headers {
		if !httpguts.ValidHeaderFieldName(name) {
			return Endpoint{}, &BadEndpoint{fmt.Sprintf("endpoint has an invalid header name %q", name)}
		}
		if !httpguts.ValidHeaderFieldValue(value) { // the error does not quote it: it may be a password
			return Endpoint{}, &BadEndpoint{fmt.Sprintf("endpoint has an invalid value of the header %q", name)}
		}
		headers.Set(name, value)
	}
	e, err := endpointOf(*object.URL, headers)
	if b := object.Auth.Basic; b != nil {
		e.User, e.Password = b.Username, b.Password
	}
	return e, err
}

// endpointOf reads a URL, which gets headers, or the name of a database.
func endpointOf(text string, headers http.Header) (Endpoint, error) {
	if !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
		return Endpoint{Local: text}, nil
	}
	u, err := url.Parse(text)
	if err != nil || checkHost(u) != nil {
		return Endpoint{}, &BadEndpoint{"endpoint has an invalid url"}
	}
	e := Endpoint{Headers: headers}
	if u.User != nil {
		e.User = u.User.Username()
		e.Password, _ = u.User.Password()
		u.User = nil
	}
	u.RawQuery, u.Fragment = "", ""
	e.URL = strings.TrimRight(u.String(), "/") + "/"
	return e, nil
}

// maxHost is how long a host's name and port may be together.
const maxHost = 253 + len(":65535")

var errHost = errors.New("not a valid host")

// checkHost refuses a URL if no request could be sent to its host.
func checkHost(u *url.URL) error {
	host, err := httpguts.PunycodeHostPort(u.Host)
	if err != nil || u.Hostname() == "" || len(host) > maxHost || !httpguts.ValidHostHeader(host) {
		return errHost
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errHost
		}
	}
	name := u.Hostname()
	if ascii, err := idna.Lookup.ToASCII(name); err == nil { // as package http looks it up
		name = ascii
	}
	if numeric(name) {
		if _, err := netip.ParseAddr(name); err != nil {
			return errHost
		}
	}
	return nil
}

// numeric tells whether a host ends in a number. No name does, so such a host must be an
// address. Some resolvers and proxies take 127.1, 2852039166 and 0xa9.0xfe.1 for addresses,
// others look them up as names.
func numeric(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, is := strings.CutPrefix(strings.ToLower(last), "0x"); is {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}
