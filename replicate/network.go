package replicate

import (
	"net/netip"
	"slices"
)

// Networks says where replications may connect to. It checks the address of every
// connection after the name has been resolved. The zero value allows everything except
// link-local and similar addresses, where no database is.
//
// The narrowest network that contains an address decides whether it is allowed or refused.
// If the same network is in both lists, the address is refused. So you can refuse
// everything and allow some.
type Networks struct {
	// Allowed also opens what is otherwise refused to everybody.
	Allowed []netip.Prefix
	// Refused does not apply to administrators of the server.
	Refused []netip.Prefix
	// AllowedPorts and RefusedPorts do not apply to administrators either. An empty
	// AllowedPorts allows all.
	AllowedPorts, RefusedPorts []Ports
	// Protocols are the protocols that peers may be reached with, and ProxyProtocols the ones for
	// proxies that jobs name. They apply to everybody. nil: all.
	Protocols, ProxyProtocols []string
}

// Ports are the ports from First to Last.
type Ports struct{ First, Last uint16 }

// unreached are addresses where no database is, except in networks made for it. They stand for
// nobody, everybody or the machines on the same link, or clouds use them to give machines their
// credentials. Even administrators may not use them, unless they are in Allowed.
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

// narrowest returns the length of the longest prefix that contains an address, -1 if none does.
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

// meant returns the addresses that an address stands for: itself, and the IPv4 address inside
// an IPv6 address that leads there.
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
