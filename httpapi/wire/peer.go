package wire

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks whose X-Forwarded headers are trusted.
type Proxies []netip.Prefix

func (p Proxies) has(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// Sent tells whether a request comes from a trusted proxy.
func (p Proxies) Sent(r *http.Request) bool {
	if len(p) == 0 {
		return false
	}
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && p.has(at.Addr().Unmap())
}

// client returns the address that a request comes from. It is the other end of the connection
// or, if that is a trusted proxy, the last address before the proxies.
func (p Proxies) client(r *http.Request) netip.Addr {
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

// AddressIn returns the AddressKey of the request in a context; false if there is none.
func AddressIn(ctx context.Context) (key string, there bool) {
	x := ExchangeIn(ctx)
	if x == nil {
		return "", false
	}
	return AddressKey(x.shared.ClientAddr(x.asked)), true
}

// AddressKey returns what counts as one address. For IPv6 it is the network of one subscriber.
func AddressKey(addr netip.Addr) string {
	if addr.Is6() {
		if prefix, err := addr.WithZone("").Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}
