package main

import (
	"crypto/x509"
	"os"
	"runtime"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// usualRoots are where Linux keeps the certificates of the web's authorities, nearly always: Debian and what comes from
// it, Fedora and what comes from it. Go reads them there.
var usualRoots = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}

// provideRoots gives the authorities of the web to systems that have none, such as a container from scratch. A system that
// has some keeps to its own. Reading these takes longer than all else at a start, so it is not done where the system's
// are plainly there.
func provideRoots() {
	if runtime.GOOS == "linux" {
		paths := usualRoots
		if path := os.Getenv("SSL_CERT_FILE"); path != "" {
			paths = []string{path} // what Go reads then
		}
		for _, path := range paths {
			if file, err := os.Stat(path); err == nil && file.Size() > 0 {
				return
			}
		}
	}
	roots := x509.NewCertPool()
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // Go's parser is newer than the list
		}
		if root.Constraint == nil {
			roots.AddCert(certificate)
		} else {
			roots.AddCertWithConstraint(certificate, root.Constraint)
		}
	}
	x509.SetFallbackRoots(roots)
}
