package replicate

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
)

// errRedirect is a peer that sends us elsewhere, where our credentials have no business.
var errRedirect = errors.New("redirected to another host")

// NewClient makes an HTTP client for peers: connections are kept, certificates checked,
// redirects to other hosts refused, and hosts that fail left alone for a while. Trust says
// whose certificates are good; nil: those that the system trusts.
func NewClient(trust *tls.Config) *http.Client { return newClient(nil, trust) }

// newClient is NewClient for those who must go through a proxy.
func newClient(proxy *url.URL, trust *tls.Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 20
	transport.ResponseHeaderTimeout = 0 // a peer may search for long before its first row
	transport.TLSClientConfig = trust.Clone()
	if proxy != nil {
		transport.Proxy = http.ProxyURL(proxy)
	}
	return &http.Client{
		Transport: newBreakers(transport),
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			first := via[0].URL
			if req.URL.Host != first.Host || first.Scheme == "https" && req.URL.Scheme != "https" || len(via) > 5 {
				return errRedirect
			}
			return nil
		},
	}
}
