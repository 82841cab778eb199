package authority_test

import (
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/cmd/tododb/authority"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// served are the certificates in the server's file.
func served(t *testing.T, f authority.Folder) (all []*x509.Certificate) {
	t.Helper()
	rest, err := os.ReadFile(f.Server())
	if err != nil {
		t.Fatal(err)
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all
		}
		if block.Type == "CERTIFICATE" {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, cert)
		}
	}
}

// trusts tells whether somebody who trusts the authority believes the server that it is name.
func trusts(t *testing.T, f authority.Folder, name string, at time.Time) error {
	t.Helper()
	text, err := os.ReadFile(f.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	_, err = served(t, f)[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at})
	return err
}

func TestKeep(t *testing.T) {
	f := authority.Folder(filepath.Join(t.TempDir(), "https"))
	names, err := authority.Machine("notes.example.org")
	if err != nil {
		t.Fatal(err)
	}
	names.Addresses = append(names.Addresses, net.ParseIP("192.168.7.9"), net.ParseIP("2001:db8:1:2::3"))
	keep := func(at time.Time) authority.Changed {
		t.Helper()
		changed, err := f.Keep(names, at)
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	if c := keep(noon); !c.Authority || !c.Server || c.Left != nil {
		t.Errorf("at first: %+v", c)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", strings.ToLower(host), "notes.example.org", "127.0.0.1", "[::1]", "192.168.7.9", "[2001:db8:1:2::3]"} {
		if err := trusts(t, f, name, noon); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := trusts(t, f, "example.com", noon); err == nil {
		t.Error("it is believed to be example.com")
	}
	if runtime.GOOS != "windows" {
		for _, name := range []string{"authority.pem", "server.pem"} {
			info, err := os.Stat(filepath.Join(string(f), name))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v", name, info.Mode())
			}
		}
	}

	first := served(t, f)[0]
	if c := keep(noon.Add(24 * time.Hour)); c.Authority || c.Server {
		t.Errorf("a day later: %+v", c)
	}
	later := noon.Add(61 * 24 * time.Hour) // less than a month before the end
	if c := keep(later); c.Authority || !c.Server {
		t.Errorf("before the end: %+v", c)
	}
	if now := served(t, f)[0]; !now.NotAfter.After(first.NotAfter) {
		t.Errorf("it ends at %v, and the old one at %v", now.NotAfter, first.NotAfter)
	}
	if err := trusts(t, f, "localhost", later); err != nil {
		t.Error(err)
	}

	// Another address is one more name; another site's name is none of the authority's business.
	names.Addresses = append(names.Addresses, net.ParseIP("10.1.2.3"), net.ParseIP("203.0.113.9"), net.ParseIP("2001:db8:1:2::4"))
	names.Hosts = append(names.Hosts, "printer.local", "bank.example.com")
	if c := keep(later); !c.Server || strings.Join(c.Left, " ") != "bank.example.com 203.0.113.9" {
		t.Errorf("%+v", c)
	}
	for _, name := range []string{"10.1.2.3", "[2001:db8:1:2::4]", "printer.local"} {
		if err := trusts(t, f, name, later); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An authority's certificate says itself for whom it may speak.
func TestAuthorityIsLimited(t *testing.T) {
	f := authority.Folder(t.TempDir())
	if _, err := f.Keep(authority.Names{Hosts: []string{"localhost"}, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, noon); err != nil {
		t.Fatal(err)
	}
	cert := served(t, f)[1]
	if !cert.IsCA || !cert.PermittedDNSDomainsCritical || len(cert.PermittedIPRanges) == 0 {
		t.Errorf("it may speak for anybody: %v %v", cert.PermittedDNSDomains, cert.PermittedIPRanges)
	}
	if print, err := f.Fingerprint(); err != nil || len(print) != 32*3-1 {
		t.Errorf("%q, %v", print, err)
	}
	if _, err := f.Keep(authority.Names{Hosts: []string{"localhost"}}, noon.AddDate(30, 0, 0)); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("after its end: %v", err)
	}
	if err := os.WriteFile(filepath.Join(string(f), "authority.pem"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Keep(authority.Names{Hosts: []string{"localhost"}}, noon); err == nil {
		t.Error("a damaged authority is replaced, and whoever trusted it is not told")
	}
}
