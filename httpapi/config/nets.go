package config

import (
	"net/netip"
	"strconv"
	"strings"
)

// Networks returns the value of a list of networks. A single address counts as a network.
func (c *Config) Networks(section, name string) []netip.Prefix {
	value, _ := c.get(section, name, asNets)
	nets, _ := ParseNetworks(value) // it has been checked
	return nets
}

// ParseNetworks reads comma-separated addresses and networks.
func ParseNetworks(value string) (nets []netip.Prefix, ok bool) {
	for _, word := range splitList(value) {
		prefix, err := netip.ParsePrefix(word)
		if err != nil {
			addr, err := netip.ParseAddr(word)
			if err != nil || addr.Zone() != "" {
				return nil, false
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if prefix.Addr().Is4In6() && prefix.Bits() >= 96 { // compared as the IPv4 address it stands for
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
		}
		nets = append(nets, prefix.Masked())
	}
	return nets, true
}

// PortRange is the ports from First to Last.
type PortRange struct{ First, Last uint16 }

// Ports returns the value of a list of ports.
func (c *Config) Ports(section, name string) []PortRange {
	value, _ := c.get(section, name, asPorts)
	ports, _ := parsePorts(value) // it has been checked
	return ports
}

func parsePorts(value string) (ports []PortRange, ok bool) {
	for _, word := range splitList(value) {
		from, to, isRange := strings.Cut(word, "-")
		if !isRange {
			to = from
		}
		first, err := strconv.ParseUint(from, 10, 16)
		last, e := strconv.ParseUint(to, 10, 16)
		if err != nil || e != nil || first > last {
			return nil, false
		}
		ports = append(ports, PortRange{uint16(first), uint16(last)})
	}
	return ports, true
}
