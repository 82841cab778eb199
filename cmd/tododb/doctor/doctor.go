package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tododb/tododb/store/health"
)

// Visit is a server to look at, and how. URL must be set.
type Visit struct {
	// URL is the server's, or that of one of its databases, without credentials.
	URL *url.URL
	// Name and Password are somebody's who may use the database or, without one, an administrator's ("": nobody's).
	// What cannot be seen without them is skipped.
	Name, Password string
	// Origin is that of a web page which is to use the server ("": no page).
	Origin string
	// Idle is how long a connection must live without traffic (11 s: a second more than PouchDB lets pass).
	Idle time.Duration
	// Patience is how long an answer may take (10 s).
	Patience time.Duration
	// Version is that of this program.
	Version string
	// Roots are the authorities to trust (the system's).
	Roots *x509.CertPool
	// Now is the clock (time.Now).
	Now func() time.Time
}

// visit is a Visit that is going on.
type visit struct {
	Visit
	root     *url.URL // of the server: with a / at the end
	database string   // "" if none was named
	client   *http.Client
	trusted  bool // the certificate proves who the server is
	list     []health.Finding
}

func (v *visit) add(check string, state health.State, says, cure string) {
	v.list = append(v.list, health.Finding{Check: check, State: state, Says: says, Cure: cure})
}

func (v *visit) ok(check, says string)          { v.add(check, health.OK, says, "") }
func (v *visit) skip(check, says string)        { v.add(check, health.Skipped, says, "") }
func (v *visit) warn(check, says, cure string)  { v.add(check, health.Warning, says, cure) }
func (v *visit) fault(check, says, cure string) { v.add(check, health.Fault, says, cure) }

// Look makes all checks, or as many as can be made when the server cannot be reached.
func Look(ctx context.Context, opt Visit) []health.Finding {
	v := &visit{Visit: opt}
	if v.Idle <= 0 {
		v.Idle = 11 * time.Second
	}
	if v.Patience <= 0 {
		v.Patience = 10 * time.Second
	}
	if v.Now == nil {
		v.Now = time.Now
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: v.Roots}, ForceAttemptHTTP2: true, DisableCompression: true, Proxy: http.ProxyFromEnvironment}
	defer transport.CloseIdleConnections()
	v.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	v.trusted = true
	v.certificate(ctx)
	if !v.trusted { // what else is wrong can be seen all the same
		transport.TLSClientConfig.InsecureSkipVerify = true
	}
	if !v.reach(ctx) {
		return v.list
	}
	v.credentials(ctx)
	v.http2(ctx)
	v.cors(ctx)
	v.cookies(ctx)
	v.escapes(ctx)
	v.long(ctx)
	v.feeds(ctx)
	return v.list
}

// Up finds out only whether the server answers and wants requests, as /_up says. Who asks need not be known.
func Up(ctx context.Context, opt Visit) health.Finding {
	const check = "up"
	v := &visit{Visit: opt, client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: opt.Roots}}}, root: &url.URL{Scheme: opt.URL.Scheme, Host: opt.URL.Host, Path: strings.TrimSuffix(opt.URL.Path, "/") + "/"}}
	a, err := v.get(ctx, "_up")
	switch {
	case err != nil:
		v.unreachable(err)
		return v.list[0]
	case a.StatusCode == http.StatusOK || a.StatusCode == http.StatusUnauthorized && a.ours():
		return health.Finding{Check: check, State: health.OK, Says: "The server answers."}
	case a.StatusCode == http.StatusNotFound && a.ours():
		return health.Finding{Check: check, State: health.Fault, Says: "The server is in maintenance.", Cure: "Set [couchdb] maintenance_mode = false when it is over."}
	}
	return health.Finding{Check: check, State: health.Fault, Says: "The server answers with " + a.Status + ".", Cure: "Look at its log."}
}

// answer is what came back, with all of its body up to a limit.
type answer struct {
	*http.Response
	body string
}

// request asks for a path below the server's root, with headers given as name, value, ...
func (v *visit) request(ctx context.Context, method, path, body string, headers ...string) (*http.Request, error) {
	q, err := http.NewRequestWithContext(ctx, method, v.root.String()+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("User-Agent", "tododb-doctor")
	q.Header.Set("Accept", "application/json")
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	if v.Name != "" {
		q.SetBasicAuth(v.Name, v.Password)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	return q, nil
}

func (v *visit) do(q *http.Request) (*answer, error) {
	ctx, cancel := context.WithTimeout(q.Context(), v.Patience)
	defer cancel()
	resp, err := v.client.Do(q.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return &answer{resp, string(b)}, err
}

func (v *visit) get(ctx context.Context, path string, headers ...string) (*answer, error) {
	q, err := v.request(ctx, http.MethodGet, path, "", headers...)
	if err != nil {
		return nil, err
	}
	return v.do(q)
}

// ours tells whether an answer comes from the database, and not from something in front of it.
func (a *answer) ours() bool { return a.Header.Get("X-Couch-Request-Id") != "" }

// reach finds out whether the server answers, and what it is. A URL may lead to a database.
func (v *visit) reach(ctx context.Context) bool {
	const check = "reachable"
	root := *v.URL
	root.User, root.RawQuery, root.Fragment = nil, "", ""
	path := strings.TrimSuffix(root.EscapedPath(), "/")
	var tried []string
	// The root may be below a path of a proxy: then it is the path itself, or all of it but the database.
	for _, cut := range []int{0, 1} {
		at, database := path, ""
		if cut == 1 {
			i := strings.LastIndex(path, "/")
			if i < 0 {
				break
			}
			at, database = path[:i], path[i+1:]
		}
		if unescaped, err := url.PathUnescape(at); err == nil {
			root.Path, root.RawPath = unescaped+"/", at+"/"
		}
		copied := root
		v.root = &copied
		began := v.Now()
		a, err := v.get(ctx, "")
		if err != nil {
			v.unreachable(err)
			return false
		}
		var welcome struct {
			CouchDB string
			Version string
			Vendor  struct{ Name, Version string }
		}
		if a.StatusCode == http.StatusOK && json.Unmarshal([]byte(a.body), &welcome) == nil && welcome.CouchDB != "" {
			v.database = database
			v.ok(check, fmt.Sprintf("The server answers at %s, over %s.", v.root.Redacted(), a.Proto))
			v.clock(a, began)
			v.versions(welcome.Vendor.Name, welcome.Vendor.Version, welcome.Version)
			return true
		}
		switch {
		case a.StatusCode == http.StatusUnauthorized && a.ours() && v.Name == "":
			v.fault(check, "The server asks who you are before it says anything, and does not know people without a name.", "Give a name and a password: in the URL, or as COUCHDB_USER and COUCHDB_PASSWORD.")
			return false
		case a.StatusCode == http.StatusUnauthorized && a.ours() && !strings.Contains(a.body, wrongPassword):
			v.withoutName("The server wants a name and a password before it says anything, and")
			return false
		case a.StatusCode == http.StatusUnauthorized && a.ours():
			v.stranger()
			return false
		case !a.ours() && (a.StatusCode == http.StatusBadGateway || a.StatusCode == http.StatusServiceUnavailable || a.StatusCode == http.StatusGatewayTimeout):
			v.fault(check, fmt.Sprintf("Something answers at %s, but reaches no server behind it: %s.", v.root.Redacted(), a.Status), "Start the server, and compare the address that the proxy passes requests to with the one that the server listens on.")
			return false
		}
		if location := a.Header.Get("Location"); location != "" {
			v.fault(check, fmt.Sprintf("%s leads elsewhere, to %s.", v.root.Redacted(), location), "Use that address: clients of databases do not follow redirections with their credentials.")
			return false
		}
		tried = append(tried, fmt.Sprintf("%s with %s (%s)", v.root.Redacted(), a.Status, first(a.body)))
	}
	v.fault(check, "Something answers, but no database server: "+strings.Join(tried, ", and ")+".", "Compare host, port and path; if there is a proxy, it must pass everything below the path on to the server.")
	return false
}

// wrongPassword is how servers say that they do not know a name with a password.
const wrongPassword = "Name or password is incorrect."

// credentials finds out whether the server learns who asks.
func (v *visit) credentials(ctx context.Context) {
	if v.Name == "" {
		return
	}
	var session struct {
		UserCtx struct{ Name string } `json:"userCtx"`
	}
	a, err := v.get(ctx, "_session")
	switch {
	case err != nil || !a.ours():
		return // other checks say more
	case a.StatusCode == http.StatusUnauthorized:
		v.stranger()
	case a.StatusCode == http.StatusOK && json.Unmarshal([]byte(a.body), &session) == nil && session.UserCtx.Name == "":
		v.withoutName("Requests come with a name and a password, and")
	case session.UserCtx.Name != "":
		v.ok("credentials", "The server knows "+session.UserCtx.Name+".")
	}
}

// stranger says that the server does not know who asks.
func (v *visit) stranger() {
	v.fault("credentials", "The server does not know "+v.Name+" with this password.", "Compare both; start the server once with COUCHDB_USER and COUCHDB_PASSWORD to set an administrator's.")
}

// withoutName says that credentials get lost on their way.
func (v *visit) withoutName(before string) {
	v.fault("credentials", before+" the server does not see them: something in front of it takes the header Authorization out.",
		"Let the proxy pass Authorization on (nginx: no proxy_set_header Authorization), and leave the question for names and passwords to the server.")
}

func who(name string) string {
	if name == "" {
		return "people without a name"
	}
	return name
}

// first is the beginning of a text, on one line.
func first(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:60], "") + "..."
	}
	return text
}

// unreachable says in words why nothing answers.
func (v *visit) unreachable(err error) {
	const check = "reachable"
	address := v.URL.Host
	var record tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		v.fault(check, "There is no host called "+v.URL.Hostname()+".", "Compare the spelling; a new name takes a while until all of DNS knows it.")
	case errors.As(err, &dns):
		v.fault(check, "DNS does not say where "+v.URL.Hostname()+" is: "+dns.Err+".", "Look at this machine's network and at its resolver.")
	case errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		v.fault(check, "At "+address+" is plain HTTP, and not HTTPS.", "Use http://, or the server's port for HTTPS (6984, or 443 behind a name); tododb serve --https turns it on.")
	case strings.Contains(err.Error(), "malformed HTTP response"):
		v.fault(check, "At "+address+" is something that does not speak plain HTTP, perhaps HTTPS.", "Use https://.")
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		v.fault(check, fmt.Sprintf("Nothing answers at %s within %v.", address, v.Patience), "A firewall may swallow the packets: let the port through, there and in the network of a cloud; or a proxy waits for a server that does not run.")
	case strings.Contains(err.Error(), "refused"):
		v.fault(check, "Nobody listens at "+address+".", "Start the server. By default only its own machine reaches it: --listen 0.0.0.0:5984 lets others in.")
	default:
		v.fault(check, "The server cannot be reached: "+err.Error()+".", "Compare host and port, and look at the server's log.")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// offClock is how far clocks may be apart.
const offClock = 30 * time.Second

func (v *visit) clock(a *answer, asked time.Time) {
	const check = "clock"
	date, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		v.skip(check, "The server does not say what time it is.")
		return
	}
	off := date.Sub(asked)
	if off.Abs() > offClock+v.Now().Sub(asked) {
		way := "ahead of"
		if off < 0 {
			way = "behind"
		}
		v.fault(check, fmt.Sprintf("The server's clock is %v %s this machine's.", off.Abs().Round(time.Second), way),
			"Have both clocks kept (timedatectl set-ntp true): sessions, tokens and certificates end at the wrong time.")
		return
	}
	v.ok(check, "The server's clock and this machine's agree.")
}

func (v *visit) versions(vendor, version, couch string) {
	const check = "versions"
	switch {
	case vendor != "tododb":
		v.ok(check, fmt.Sprintf("The server is %s %s, not tododb.", vendor, couch))
	case version != v.Version && v.Version != "":
		v.warn(check, fmt.Sprintf("The server is tododb %s, and this program is %s.", version, v.Version), "Nothing is wrong with that; for the same advice as the server's own, use its version.")
	default:
		v.ok(check, fmt.Sprintf("The server is tododb %s, which speaks as CouchDB %s does.", version, couch))
	}
}
