package replicate

import (
	"fmt"
	"net/http"
	"strings"
)

// Headers says which headers only a server administrator's replication may send. A server
// trusts its proxies by address, and a replication may come from one of these addresses. So
// its user must not be able to say what a proxy says. The zero value refuses the names in
// general use.
type Headers struct {
	// Proxies are further headers that this server, or one beside it, trusts from proxies.
	Proxies []string
}

// RefusedHeader says that a replication may not send a header.
type RefusedHeader struct{ Name string }

func (e *RefusedHeader) Error() string {
	return fmt.Sprintf("replications of others than administrators may not send the header `%s`", e.Name)
}

// Check refuses a replication because of its headers, with *RefusedHeader. It allows Cookie
// and Authorization: they are credentials that the user must have.
func (h *Headers) Check(spec *Spec) error {
	for _, e := range []*Endpoint{&spec.Source, &spec.Target} {
		for name := range e.Headers {
			if h.refuses(name) {
				return &RefusedHeader{name}
			}
		}
	}
	return nil
}

func (h *Headers) refuses(name string) bool {
	name = plainName(name)
	if onlyOfProxies[name] {
		return true
	}
	for _, prefix := range []string{"X-Forwarded", "X-Auth-Couchdb-", "X-Original-", "Proxy-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	for _, own := range h.Proxies {
		if name == plainName(own) {
			return true
		}
	}
	return false
}

// plainName prepares a name for comparison. Behind some proxies a server cannot tell _ from -.
func plainName(name string) string {
	return http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
}

// onlyOfProxies has the headers in which proxies say who asks, from where and for what. It
// also has the headers of a single connection, which only the replicator may set.
var onlyOfProxies = map[string]bool{
	"Forwarded": true, "Via": true, "X-Real-Ip": true, "X-Client-Ip": true, "X-Cluster-Client-Ip": true, "True-Client-Ip": true,
	"Cf-Connecting-Ip": true, "Remote-User": true, "X-Remote-User": true, "X-Rewrite-Url": true,
	"X-Http-Method-Override": true, "X-Http-Method": true, "X-Method-Override": true,
	"Host": true, "Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Content-Length": true, "Expect": true,
}
