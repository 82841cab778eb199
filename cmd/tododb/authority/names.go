package authority

import (
	"net"
	"os"
	"slices"
	"strings"
)

// Names are what a server is called: host names in lower case, and addresses.
type Names struct {
	Hosts     []string
	Addresses []net.IP
}

// Machine returns the names of this machine, as it itself and its local network know it, and more, which are
// host names or addresses.
func Machine(more ...string) (Names, error) {
	n := Names{Hosts: []string{"localhost"}, Addresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	host, err := os.Hostname()
	if err != nil {
		return n, err
	}
	n.add(host)
	if !strings.Contains(host, ".") {
		n.add(host + ".local") // as multicast DNS calls it
	}
	found, err := net.InterfaceAddrs()
	if err != nil {
		return n, err
	}
	for _, one := range found {
		if network, is := one.(*net.IPNet); is && !network.IP.IsLinkLocalUnicast() { // a link-local address is nothing without its interface
			n.add(network.IP.String())
		}
	}
	for _, one := range more {
		n.add(one)
	}
	return n, nil
}

func (n *Names) add(name string) {
	if ip := net.ParseIP(name); ip != nil {
		if !slices.ContainsFunc(n.Addresses, ip.Equal) {
			n.Addresses = append(n.Addresses, ip)
		}
		return
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if isHost(name) && !slices.Contains(n.Hosts, name) {
		n.Hosts = append(n.Hosts, name)
	}
}

// isHost tells whether a certificate can have the name. Some machines have names that DNS could not have.
func isHost(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// localDomains are given out by no public authority (RFC 6762, RFC 8375, and ICANN for internal).
var localDomains = []string{"localhost", "local", "home.arpa", "internal", "lan"}

// localNetworks are used by many networks, each for itself.
var localNetworks = parseNetworks("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10")

func parseNetworks(list ...string) (nets []*net.IPNet) {
	for _, one := range list {
		_, network, err := net.ParseCIDR(one)
		if err != nil {
			panic(err)
		}
		nets = append(nets, network)
	}
	return nets
}

// whole is the network that an address of this machine is in as far as the machine may get another one: with
// IPv6 all that begins with the same 64 bits.
func whole(ip net.IP) *net.IPNet {
	if four := ip.To4(); four != nil {
		return &net.IPNet{IP: four, Mask: net.CIDRMask(32, 32)}
	}
	return &net.IPNet{IP: ip.Mask(net.CIDRMask(64, 128)), Mask: net.CIDRMask(64, 128)}
}
