package replicate

import (
	"fmt"
	"net/http"
	"strings"
)

// Headers says which headers nobody but administrators of the server may have a replication
// send. A server believes its proxies by address, and a replication may come from one of
// those addresses: its user must not be able to say what a proxy says. The zero value refuses
// the names that are in general use.
type Headers struct {
	// Proxies are further names in which this server, or one beside it, believes proxies.
	Proxies []string
}

// RefusedHeader says that a replication may not send a header.
type RefusedHeader struct{ Name string }

func (e *RefusedHeader) Error() string {
	return fmt.Sprintf("replications of others than administrators may not send the header `%s`", e.Name)
}

// Check refuses a replication for the headers of its sides: *RefusedHeader. Cookies and
// Authorization are credentials, which their user must have.
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

// plainName is how a name is compared: behind some proxies a server cannot tell _ from -.
func plainName(name string) string {
	return http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
}

// onlyOfProxies are the headers by which proxies say who asks, from where and for what, and
// those that are between two ends of a connection, which are the replicator's to set.
var onlyOfProxies = map[string]bool{
	"Forwarded": true, "Via": true, "X-Real-Ip": true, "X-Client-Ip": true, "X-Cluster-Client-Ip": true, "True-Client-Ip": true,
	"Cf-Connecting-Ip": true, "Remote-User": true, "X-Remote-User": true, "X-Rewrite-Url": true,
	"X-Http-Method-Override": true, "X-Http-Method": true, "X-Method-Override": true,
	"Host": true, "Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Content-Length": true, "Expect": true,
}
