package httpapi

import (
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the networks whose X-Forwarded headers are believed.
type proxies []netip.Prefix

func (p proxies) has(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// sent tells whether a request comes from a proxy that is believed.
func (p proxies) sent(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && len(p) > 0 && p.has(at.Addr().Unmap())
}

// client tells the address that a request comes from: the other end of the connection,
// or, if that is a proxy that is believed, the last one in front of the proxies.
func (p proxies) client(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := at.Addr().Unmap()
	if len(p) == 0 || !p.has(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if addr = hop.Unmap(); !p.has(addr) {
			break
		}
	}
	return addr
}

// clientAddr is the address that a request comes from.
func (s *Server) clientAddr(r *http.Request) netip.Addr { return s.set.Load().proxies.client(r) }

// addressKey is what counts as one address: of IPv6 the network that one subscriber has.
func addressKey(addr netip.Addr) string {
	if addr.Is6() {
		if prefix, err := addr.WithZone("").Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}
