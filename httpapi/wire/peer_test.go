package wire

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/tododb/tododb/httpapi/config"
)

func FuzzForwardedFor(f *testing.F) {
	f.Add("10.0.0.1, ::1", "10.0.0.0/8,::1")
	f.Fuzz(func(t *testing.T, forwarded, trusted string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:99"
		r.Header["X-Forwarded-For"] = []string{forwarded}
		nets, _ := config.ParseNetworks(trusted)
		p := Proxies(nets)
		if addr := p.client(r); !addr.IsValid() || !p.has(netip.MustParseAddr("10.0.0.1")) && addr != netip.MustParseAddr("10.0.0.1") {
			t.Fatalf("%q by %q: %v", forwarded, trusted, addr)
		}
	})
}
