package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// cors asks as a browser does on behalf of a page: first whether it may, then in earnest.
func (v *visit) cors(ctx context.Context) {
	const check = "CORS"
	if v.Origin == "" {
		v.skip(check, "Give --origin https://NAME to see what a browser would let a web page of that origin do.")
		return
	}
	allow := fmt.Sprintf("Set [chttpd] enable_cors = true, and [cors] origins = %s and credentials = true.", v.Origin)
	once := "Either the proxy answers for CORS or the server does: take the Access-Control headers out of the proxy's settings."
	q, err := v.request(ctx, http.MethodOptions, v.database, "", "Origin", v.Origin, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization,content-type")
	if err != nil {
		return
	}
	q.Header.Del("Authorization") // browsers never send it with this question
	a, err := v.do(q)
	if err != nil {
		v.fault(check, "The question whether a page may write (OPTIONS) is not answered: "+err.Error()+".", "Let OPTIONS through the proxy.")
		return
	}
	if !a.ours() && !allowed(a.Header, v.Origin) {
		v.fault(check, fmt.Sprintf("Something in front of the server answers OPTIONS itself, with %s, and not as a browser wants it.", a.Status), "Let the proxy pass OPTIONS on to the server like any other method, and without asking for a password.")
		return
	}
	if origins := a.Header.Values("Access-Control-Allow-Origin"); len(origins) > 1 || len(origins) == 1 && strings.Contains(origins[0], ",") {
		v.fault(check, "Two answer for CORS: there are several Access-Control-Allow-Origin, and browsers refuse that.", once)
		return
	}
	get, err := v.get(ctx, v.database, "Origin", v.Origin)
	if err != nil {
		v.fault(check, "A request of a page fails: "+err.Error()+".", "Look at the log of the server, and of the proxy in front of it.")
		return
	}
	origins := get.Header.Values("Access-Control-Allow-Origin")
	switch {
	case len(origins) > 1 || len(origins) == 1 && strings.Contains(origins[0], ","):
		v.fault(check, "Two answer for CORS: there are several Access-Control-Allow-Origin, and browsers refuse that.", once)
	case len(origins) == 0 && a.Header.Get("Access-Control-Allow-Origin") == "":
		v.fault(check, "The server lets no page of "+v.Origin+" use it.", allow+" An origin is scheme, host and port, without a path or a slash at the end.")
	case len(origins) == 0:
		v.fault(check, "The question (OPTIONS) is answered, but the answer itself lacks Access-Control-Allow-Origin: the browser throws it away.", "Have one of the two answer for CORS: the server, with "+strings.ToLower(allow[:1])+allow[1:])
	case origins[0] == "*":
		v.fault(check, "Every page may read (Access-Control-Allow-Origin: *), but none may sign in: browsers refuse a star together with credentials.", allow)
	case origins[0] != v.Origin:
		v.fault(check, fmt.Sprintf("Pages of %s may use the server, and not those of %s.", origins[0], v.Origin), allow)
	case get.Header.Get("Access-Control-Allow-Credentials") != "true":
		v.fault(check, "Pages may not sign in: there is no Access-Control-Allow-Credentials.", allow)
	case !allowed(a.Header, v.Origin):
		v.fault(check, fmt.Sprintf("A page may read, but not write: the answer to its question (OPTIONS) is %s, with the methods %q and the headers %q.", a.Status, a.Header.Get("Access-Control-Allow-Methods"), a.Header.Get("Access-Control-Allow-Headers")), "Let the proxy pass OPTIONS on to the server.")
	default:
		v.ok(check, "Pages of "+v.Origin+" may read, write and sign in.")
	}
}

// allowed tells whether a browser would let a page of the origin send a PUT with credentials and JSON.
func allowed(h http.Header, origin string) bool {
	has := func(list, word string) bool {
		return slices.ContainsFunc(strings.Split(h.Get(list), ","), func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), word) })
	}
	return h.Get("Access-Control-Allow-Origin") == origin && h.Get("Access-Control-Allow-Credentials") == "true" &&
		has("Access-Control-Allow-Methods", "PUT") && has("Access-Control-Allow-Headers", "authorization") && has("Access-Control-Allow-Headers", "content-type")
}

// cookies signs in as a page does, and comes again with the cookie.
func (v *visit) cookies(ctx context.Context) {
	const check = "cookies"
	if v.Name == "" {
		v.skip(check, "Give a name and a password, in the URL or as COUCHDB_USER and COUCHDB_PASSWORD, to see whether sessions work.")
		return
	}
	form := url.Values{"name": {v.Name}, "password": {v.Password}}.Encode()
	q, err := v.request(ctx, http.MethodPost, "_session", form, "Content-Type", "application/x-www-form-urlencoded")
	if err != nil {
		return
	}
	q.Header.Del("Authorization")
	a, err := v.do(q)
	switch {
	case err != nil:
		v.fault(check, "Signing in fails: "+err.Error()+".", "Look at the log of the server, and of the proxy in front of it.")
		return
	case a.StatusCode == http.StatusUnauthorized:
		v.fault(check, "The server does not know "+v.Name+" with this password.", "Compare both; start the server once with COUCHDB_USER and COUCHDB_PASSWORD to set an administrator's.")
		return
	case a.StatusCode != http.StatusOK:
		v.fault(check, "Signing in is answered with "+a.Status+": "+first(a.body)+".", "Look at the log of the server, and of the proxy in front of it.")
		return
	}
	jar := a.Cookies()
	i := slices.IndexFunc(jar, func(c *http.Cookie) bool { return c.Name == "AuthSession" })
	if i < 0 {
		v.fault(check, "The server signs people in, but its cookie does not arrive: something takes Set-Cookie out.", "Let the proxy pass Set-Cookie on (nginx: no proxy_hide_header or proxy_ignore_headers for it), and keep caches away from /_session.")
		return
	}
	cookie := jar[i]
	q, err = v.request(ctx, http.MethodGet, "_session", "")
	if err != nil {
		return
	}
	q.Header.Del("Authorization")
	q.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	b, err := v.do(q)
	switch {
	case err != nil:
		v.fault(check, "Coming with the cookie fails: "+err.Error()+".", "Look at the log of the server, and of the proxy in front of it.")
	case !strings.Contains(b.body, `"name":"`+v.Name+`"`):
		v.fault(check, "The server does not know its cookie again: something takes Cookie out, or requests reach several servers with different secrets.", "Let the proxy pass Cookie on; give all servers behind one name the same [chttpd_auth] secret.")
	case cookie.Path != "" && !strings.HasPrefix(v.root.Path, cookie.Path):
		v.fault(check, "The cookie is for the path "+cookie.Path+", and the server is at "+v.root.Path+".", "Have the proxy rewrite the path of cookies (nginx: proxy_cookie_path).")
	case v.URL.Scheme == "https" && !cookie.Secure:
		v.warn(check, "The cookie is not for HTTPS only: the server does not know that it was asked over HTTPS.", "Have the proxy send X-Forwarded-Proto: https, and name its address in [limits] trusted_proxies.")
	case v.foreign() && (cookie.SameSite != http.SameSiteNoneMode || !cookie.Secure):
		v.warn(check, "Browsers do not send the cookie with requests of a page of another site.", "Set [chttpd_auth] same_site = none, and use HTTPS; or let the page send its credentials itself, as PouchDB does with auth.")
	default:
		v.ok(check, "A session works.")
	}
}

// foreign tells whether the page is of another host, so that its requests may be of another site.
func (v *visit) foreign() bool {
	u, err := url.Parse(v.Origin)
	return err == nil && v.Origin != "" && u.Hostname() != v.URL.Hostname()
}
