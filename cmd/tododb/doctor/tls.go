package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// soonOver is how long before its end a certificate should have been renewed.
const soonOver = 10 * 24 * time.Hour

// certificate looks at what proves that the server is who it says.
func (v *visit) certificate(ctx context.Context) {
	const check = "certificate"
	host := v.URL.Hostname()
	if v.URL.Scheme != "https" {
		if !isLocal(host) {
			v.warn(check, "Passwords and documents cross the network in the clear: the server is asked over plain HTTP.", "Turn HTTPS on, with tododb serve --https NAME or --https self, or at a proxy.")
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, v.Patience)
	defer cancel()
	port := v.URL.Port()
	if port == "" {
		port = "443"
	}
	dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: host, NextProtos: []string{"h2", "http/1.1"}}}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return // reach says why
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	leaf, between := state.PeerCertificates[0], x509.NewCertPool()
	for _, one := range state.PeerCertificates[1:] {
		between.AddCert(one)
	}
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: v.Roots, Intermediates: between, CurrentTime: v.Now()})
	if err == nil {
		if left := leaf.NotAfter.Sub(v.Now()); left < soonOver && left < leaf.NotAfter.Sub(leaf.NotBefore)/4 {
			v.warn(check, fmt.Sprintf("The certificate ends at %s.", leaf.NotAfter.UTC().Format(time.DateTime)), "Renew it; the server's log says why it has not been.")
			return
		}
		v.ok(check, fmt.Sprintf("The certificate is valid until %s, and %s.", leaf.NotAfter.UTC().Format(time.DateOnly), tls.VersionName(state.Version)))
		return
	}
	v.trusted = false
	issuer := leaf.Issuer.String()
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		v.fault(check, fmt.Sprintf("The certificate is not for %s, but for %s.", host, strings.Join(namesOf(leaf), ", ")), "Use one of these names, or get a certificate that has yours: --https NAME, or --https self,NAME.")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && v.Now().Before(leaf.NotBefore):
		v.fault(check, fmt.Sprintf("The certificate begins at %s, which is to come.", leaf.NotBefore.UTC().Format(time.DateTime)), "Set this machine's clock, or the one of the machine where the certificate was made.")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		v.fault(check, fmt.Sprintf("The certificate ended at %s.", leaf.NotAfter.UTC().Format(time.DateTime)), "Renew it; with --https the server does so itself, and its log says why it could not. If that date is to come, set this machine's clock.")
	case errors.As(err, &unknown) && leaf.Subject.String() == issuer:
		v.fault(check, "The certificate is signed by itself, and nobody trusts it.", "Use --https NAME or --https self, or tell this machine to trust it.")
	case errors.As(err, &unknown) && len(state.PeerCertificates) == 1:
		v.fault(check, fmt.Sprintf("The server sends its certificate without the one of %s between it and an authority; some clients know that one, and others do not.", issuer), "Put the intermediate certificates behind the server's in [ssl] cert_file: what is called the full chain.")
	case errors.As(err, &unknown):
		v.fault(check, fmt.Sprintf("This machine does not trust the authority of the certificate, %s.", issuer), "If it is the server's own (--https self), trust https/authority.crt of its data folder: docs/https.md says how on each system.")
	default:
		v.fault(check, "The certificate proves nothing: "+err.Error()+".", "Get a new one, with --https NAME or --https self.")
	}
}

func namesOf(cert *x509.Certificate) []string {
	names := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{"nobody"}
	}
	return names
}

func isLocal(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// http2 finds out whether many requests share a connection.
func (v *visit) http2(ctx context.Context) {
	const check = "HTTP/2"
	const six = "A browser then opens six connections: six live feeds leave none for anything else."
	if v.URL.Scheme != "https" {
		if v.Origin != "" {
			v.warn(check, "Plain HTTP has no HTTP/2 in browsers. "+six, "Turn HTTPS on: tododb serve --https NAME or --https self.")
		}
		return
	}
	a, err := v.get(ctx, "_up")
	switch {
	case err != nil:
		v.fault(check, "The second request fails: "+err.Error()+".", "Look at the log of the server, and of the proxy in front of it.")
	case a.ProtoMajor < 2:
		v.warn(check, "What answers speaks "+a.Proto+" only. "+six, "Turn HTTP/2 on at the proxy (nginx: http2 on;). tododb itself has it.")
	default:
		v.ok(check, "Requests share a connection.")
	}
}
