package replicate

import (
	"net/netip"
	"slices"
)

// Networks says where replications may connect to. It is asked for the address of every
// connection, after its name has been resolved, whatever led there. The zero value allows
// everything but what is local to a link.
//
// The narrowest network that an address is in decides, whether it is allowed or refused;
// of two that are the same, refused does. So all may be refused, and some allowed.
type Networks struct {
	// Allowed also opens what is refused to everybody.
	Allowed []netip.Prefix
	// Refused holds for others than administrators of the server.
	Refused []netip.Prefix
	// AllowedPorts and RefusedPorts hold for others than administrators; no allowed ones
	// are all.
	AllowedPorts, RefusedPorts []Ports
}

// Ports are those from First to Last.
type Ports struct{ First, Last uint16 }

// unreached are addresses that no database is at but in networks made for it: those that
// name nobody, or everybody, or whoever is on the same link; and where clouds tell machines
// their credentials. They are refused to administrators, too, unless they are allowed.
var unreached = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32", "::/128", "fe80::/10", "ff00::/8",
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::254/128",
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// permits tells whether a connection may be made.
func (n *Networks) permits(to netip.AddrPort, admin bool) bool {
	return n.permitsAddr(to.Addr(), admin) && (admin || n.permitsPort(to.Port()))
}

func (n *Networks) permitsAddr(addr netip.Addr, admin bool) bool {
	for _, a := range meant(addr) {
		allowed := narrowest(n.Allowed, a)
		if narrowest(unreached, a) > allowed {
			return false
		}
		if refused := narrowest(n.Refused, a); !admin && refused >= 0 && refused >= allowed {
			return false
		}
	}
	return true
}

func (n *Networks) permitsPort(port uint16) bool {
	in := func(p Ports) bool { return p.First <= port && port <= p.Last }
	return !slices.ContainsFunc(n.RefusedPorts, in) && (len(n.AllowedPorts) == 0 || slices.ContainsFunc(n.AllowedPorts, in))
}

// narrowest is the length of the longest prefix that an address has, -1 if it has none.
func narrowest(list []netip.Prefix, addr netip.Addr) int {
	bits := -1
	for _, p := range list {
		if p.Contains(addr) {
			bits = max(bits, p.Bits())
		}
	}
	return bits
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	compatible = netip.MustParsePrefix("::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// meant are the addresses that one stands for: itself, and the IPv4 address within an
// address of IPv6 that leads there.
func meant(addr netip.Addr) []netip.Addr {
	addr = addr.Unmap().WithZone("")
	all := []netip.Addr{addr}
	if raw := addr.As16(); nat64.Contains(addr) || compatible.Contains(addr) && raw[12] != 0 {
		all = append(all, netip.AddrFrom4([4]byte(raw[12:])))
	} else if sixToFour.Contains(addr) {
		all = append(all, netip.AddrFrom4([4]byte(raw[2:])))
	}
	return all
}
