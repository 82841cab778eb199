package authority

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tododb/tododb/store/durable"
)

// How long certificates last. Apple's systems refuse a server's certificate that lasts more than 825 days.
const (
	lifeOfAuthority = 20 * 365 * 24 * time.Hour
	lifeOfServer    = 90 * 24 * time.Hour
	renewBefore     = 30 * 24 * time.Hour
	backdated       = 24 * time.Hour // for devices whose clock is behind
)

// Folder is the path of the folder with the files.
type Folder string

// Certificate is the file with the authority's certificate.
func (f Folder) Certificate() string { return filepath.Join(string(f), "authority.crt") }

// Server is the file with the server's certificate and key.
func (f Folder) Server() string { return filepath.Join(string(f), "server.pem") }

func (f Folder) secret() string { return filepath.Join(string(f), "authority.pem") }

// Changed says what Keep has done.
type Changed struct {
	Authority bool     // there was none
	Server    bool     // the server has another certificate
	Left      []string // names that the authority may not speak for
}

// Keep makes what is missing, and the server's certificate again if it ends soon or lacks one of the names.
func (f Folder) Keep(names Names, now time.Time) (changed Changed, err error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return changed, err
	}
	a, err := f.load()
	if errors.Is(err, os.ErrNotExist) {
		changed.Authority = true
		a, err = f.create(names, now)
	}
	if err != nil {
		return changed, err
	}
	if now.After(a.cert.NotAfter) {
		return changed, fmt.Errorf("the authority in %s has ended; remove the folder, and the server makes a new one, which has to be trusted again", f)
	}
	names, changed.Left = a.allowed(names)
	if f.fresh(a, names, now) {
		return changed, nil
	}
	changed.Server = true
	return changed, f.issue(a, names, now)
}

// Forget removes an authority that nobody has been told about.
func (f Folder) Forget() error {
	err := errors.Join(os.Remove(f.Server()), os.Remove(f.Certificate()), os.Remove(f.secret()))
	os.Remove(string(f)) // unless something else is in it
	return err
}

// Fingerprint is the SHA-256 of the authority's certificate, as devices show it: pairs of hexadecimal digits.
func (f Folder) Fingerprint() (string, error) {
	a, err := f.load()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(a.cert.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":"), nil
}

// issuer is an authority that can sign.
type issuer struct {
	cert *x509.Certificate
	key  crypto.PrivateKey
}

func (f Folder) load() (*issuer, error) {
	text, err := os.ReadFile(f.secret())
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.secret(), err)
	}
	return &issuer{pair.Leaf, pair.PrivateKey}, nil
}

func (f Folder) create(names Names, now time.Time) (*issuer, error) {
	host := "this machine"
	if len(names.Hosts) > 1 {
		host = names.Hosts[1]
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"tododb"}, CommonName: "tododb on " + host + ", " + now.UTC().Format("2006-01-02")},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(lifeOfAuthority),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: slices.Clone(localDomains), PermittedIPRanges: slices.Clone(localNetworks),
	}
	for _, one := range names.Hosts {
		if !within(one, template.PermittedDNSDomains) {
			template.PermittedDNSDomains = append(template.PermittedDNSDomains, one)
		}
	}
	for _, one := range names.Addresses {
		if !inside(one, template.PermittedIPRanges) {
			template.PermittedIPRanges = append(template.PermittedIPRanges, whole(one))
		}
	}
	cert, key, err := sign(template, nil)
	if err != nil {
		return nil, err
	}
	// The certificate first: once the key is there, the authority is.
	if err := durable.Replace(f.Certificate(), cert, 0o644); err != nil {
		return nil, err
	}
	if err := durable.Replace(f.secret(), append(cert, key...), 0o600); err != nil {
		return nil, err
	}
	return f.load()
}

// allowed parts names into those that the authority may speak for and the rest.
func (a *issuer) allowed(names Names) (may Names, left []string) {
	for _, one := range names.Hosts {
		if within(one, a.cert.PermittedDNSDomains) {
			may.Hosts = append(may.Hosts, one)
		} else {
			left = append(left, one)
		}
	}
	for _, one := range names.Addresses {
		if inside(one, a.cert.PermittedIPRanges) {
			may.Addresses = append(may.Addresses, one)
		} else {
			left = append(left, one.String())
		}
	}
	return may, left
}

func within(host string, domains []string) bool {
	return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}

func inside(ip net.IP, nets []*net.IPNet) bool {
	return slices.ContainsFunc(nets, func(n *net.IPNet) bool { return n.Contains(ip) })
}

// fresh tells whether the server's certificate is the authority's, has all names and does not end soon.
func (f Folder) fresh(a *issuer, names Names, now time.Time) bool {
	text, err := os.ReadFile(f.Server())
	if err != nil {
		return false
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil || pair.Leaf.CheckSignatureFrom(a.cert) != nil || now.Add(renewBefore).After(pair.Leaf.NotAfter) || now.Before(pair.Leaf.NotBefore) {
		return false
	}
	for _, one := range names.Hosts {
		if !slices.Contains(pair.Leaf.DNSNames, one) {
			return false
		}
	}
	for _, one := range names.Addresses {
		if !slices.ContainsFunc(pair.Leaf.IPAddresses, one.Equal) {
			return false
		}
	}
	return true
}

func (f Folder) issue(a *issuer, names Names, now time.Time) error {
	end := now.Add(lifeOfServer)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	cert, key, err := sign(&x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"tododb"}, CommonName: names.Hosts[len(names.Hosts)-1]},
		NotBefore: now.Add(-backdated), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: names.Hosts, IPAddresses: names.Addresses,
	}, a)
	if err != nil {
		return err
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	return durable.Replace(f.Server(), bytes.Join([][]byte{cert, authority, key}, nil), 0o600)
}

// sign makes a key and a certificate for it, signed by a or, if that is nil, by the key itself. Both are PEM.
func sign(template *x509.Certificate, a *issuer) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	if a == nil {
		a = &issuer{template, private}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		return nil, nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), nil
}
