package replicate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// checkFor is how long an end may take to answer the questions of a check.
const checkFor = 20 * time.Second

// EndCheck is what one end of a replication answered.
type EndCheck struct {
	Name string `json:"name"` // without credentials
	// OK: what the replication needs of this end is there, as far as it can be known beforehand.
	OK bool `json:"ok"`
	// Exists tells whether there is a database; nil if the end did not say.
	Exists *bool `json:"exists"`
	// Creates: there is none, and the replication may create it. nil: it exists, is not to be
	// created, or the server does not say what these credentials may do.
	Creates *bool `json:"creates,omitempty"`
	// Error is a word and Reason a sentence for what is wrong; "" if nothing is.
	Error  string `json:"error,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Checked is what both ends of a replication answered.
type Checked struct {
	OK     bool     `json:"ok"`
	Source EndCheck `json:"source"`
	Target EndCheck `json:"target"`
}

// checked is a peer that can be asked what it would allow, without a change.
type checked interface {
	Peer
	// mayWrite sends a write of no documents.
	mayWrite(ctx context.Context) error
	// mayCreate tells whether Create would be allowed; nil if nobody knows beforehand.
	mayCreate(ctx context.Context) (*bool, error)
}

// Check asks both ends of a replication what it will need of them: that they can be reached with
// these credentials, that the source can be read and has the filter function, and that the target
// can be written or created. It asks as the replication would, in the name of the same user and
// under the same rules of networks, and changes nothing. A document may still be refused later, by
// a validation function of the target for instance. The request is the body of a POST to
// /_replicate; its errors are those of ParseSpec, and *RefusedHeader.
func (m *Manager) Check(ctx context.Context, request []byte, user User) (Checked, error) {
	var c Checked
	spec, err := ParseSpec(request)
	if err != nil {
		return c, err
	}
	if err := m.MaySend(&spec, user); err != nil {
		return c, err
	}
	for name, e := range map[string]*Endpoint{"source": &spec.Source, "target": &spec.Target} {
		if e.URL == "" && e.Local == "" {
			return c, &BadRequest{"`" + name + "` must name a database"}
		}
	}
	m.mu.Lock()
	spec.inherit(m.set.Defaults)
	spec.setDefaults()
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, checkFor)
	defer cancel()
	var ends sync.WaitGroup
	ends.Go(func() { c.Source = m.checkEnd(ctx, spec.Source, user, checkSource(&spec)) })
	ends.Go(func() { c.Target = m.checkEnd(ctx, spec.Target, user, checkTarget(&spec)) })
	ends.Wait()
	c.OK = c.Source.OK && c.Target.OK
	return c, nil
}

// checkEnd asks one end, and puts what is wrong into words.
func (m *Manager) checkEnd(ctx context.Context, at Endpoint, user User, ask func(context.Context, checked, *EndCheck) error) EndCheck {
	end := EndCheck{Name: at.Name()}
	if at.URL == "" && (m.opt.Store == nil || m.opt.Open == nil) {
		end.Error, end.Reason = trouble(ErrNoDB, &at)
		return end
	}
	m.mu.Lock()
	p := m.peer(at, user, user)
	m.mu.Unlock()
	defer p.Close()
	err := ask(ctx, p.(checked), &end)
	if err == nil {
		end.OK = true
		return end
	}
	if errors.Is(err, ErrNoDB) {
		end.Exists = new(bool)
	}
	end.Error, end.Reason = trouble(err, &at)
	return end
}

func checkSource(spec *Spec) func(context.Context, checked, *EndCheck) error {
	return func(ctx context.Context, p checked, end *EndCheck) error {
		if _, err := p.Info(ctx); err != nil {
			return err
		}
		end.Exists = yes()
		if ddoc, name, ok := strings.Cut(spec.Filter.Name, "/"); ok { // else none, or a built-in one
			if _, err := p.FilterCode(ctx, ddoc, name); err != nil {
				return err
			}
		}
		_, err := p.Changes(ctx, ChangesQuery{Limit: 1}, func(Change) error { return nil })
		return err
	}
}

func checkTarget(spec *Spec) func(context.Context, checked, *EndCheck) error {
	return func(ctx context.Context, p checked, end *EndCheck) error {
		_, err := p.Info(ctx)
		if err == nil {
			end.Exists = yes()
			return p.mayWrite(ctx)
		}
		if !errors.Is(err, ErrNoDB) || !spec.CreateTarget {
			return err
		}
		end.Exists = new(bool)
		if end.Creates, err = p.mayCreate(ctx); err != nil {
			return err
		}
		if end.Creates != nil && !*end.Creates {
			return errMayNotCreate
		}
		return nil
	}
}

func yes() *bool { is := true; return &is }

var errMayNotCreate = errors.New("may not create the database")

// mayWrite implements checked.
func (p *remotePeer) mayWrite(ctx context.Context) error {
	_, err := p.storeBulk(ctx, nil)
	return err
}

// mayCreate implements checked. Only administrators of a server create databases there.
func (p *remotePeer) mayCreate(ctx context.Context) (*bool, error) {
	roles, err := p.roles(ctx)
	if roles == nil || err != nil {
		return nil, err
	}
	may := slices.Contains(roles, "_admin")
	return &may, nil
}

// roles asks the server which roles our credentials have there; nil if it does not say.
func (p *remotePeer) roles(ctx context.Context) ([]string, error) {
	server := newRemotePeer(Endpoint{URL: sessionURL(&p.at), Headers: p.at.Headers, Silence: p.silence}, p.client, p.session)
	b, err := server.call(ctx, http.MethodGet, "", nil, nil)
	if _, answered := errors.AsType[*StatusError](err); errors.Is(err, ErrNoDB) || answered && !errors.Is(err, ErrUnauthorized) {
		return nil, nil // it has no sessions
	}
	if err != nil {
		return nil, err
	}
	var said struct {
		User *struct {
			Roles []string `json:"roles"`
		} `json:"userCtx"`
	}
	if json.Unmarshal(b, &said) != nil || said.User == nil {
		return nil, nil
	}
	return append([]string{}, said.User.Roles...), nil
}

// mayWrite implements checked.
func (p *localPeer) mayWrite(ctx context.Context) error {
	_, err := p.Store(ctx, nil)
	return err
}

// mayCreate implements checked.
func (p *localPeer) mayCreate(context.Context) (*bool, error) {
	may := !p.mayNotCreate
	return &may, nil
}

// trouble is an error of an end in a word and a sentence.
func trouble(err error, at *Endpoint) (word, sentence string) {
	if _, hidden := errors.AsType[*unreachable](err); hidden {
		return "unreachable", "The server cannot be reached. Administrators are told why."
	}
	said := ""
	if s, ok := errors.AsType[*StatusError](err); ok && s.Reason != "" {
		said = " It says: " + s.Reason
	}
	switch {
	case errors.Is(err, ErrUnauthorized) && at.URL != "" && at.User == "" && len(at.Headers) == 0:
		return "unauthorized", "The server asks for a name and a password."
	case errors.Is(err, ErrUnauthorized):
		return "unauthorized", "The name and the password are not accepted, or do not open this database." + said
	case errors.Is(err, errMayNotCreate) && at.URL != "":
		return "forbidden", "The database does not exist, and these credentials may not create it: only administrators of its server may."
	case errors.Is(err, errMayNotCreate):
		return "forbidden", "The database does not exist, and only administrators of the server may create it."
	case errors.Is(err, ErrForbidden):
		return "forbidden", "This user may not use the database." + said
	case errors.Is(err, ErrNoDB) && at.URL == "":
		return "not_found", "There is no such database here."
	case errors.Is(err, ErrNoDB):
		return "not_found", "There is no database at this address."
	case errors.Is(err, ErrNoFilter):
		return "no_filter", "The source has no such filter function."
	case errors.Is(err, ErrNotBuilt):
		return "no_filter", ErrNotBuilt.Error()
	}
	if word, sentence := noConnection(err); word != "" {
		return word, sentence
	}
	if s, ok := errors.AsType[*StatusError](err); ok {
		return "status", fmt.Sprintf("The server answers %d.%s", s.Status, said)
	}
	return "failed", err.Error()
}

// noConnection tells why a server could not be asked at all; "" if it could.
func noConnection(err error) (word, sentence string) {
	if _, resting := errors.AsType[*errResting](err); resting {
		return "resting", fmt.Sprintf("The server has just failed several times and is left alone for %v. Then try again.", breakFor)
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsNotFound {
			return "no_such_host", fmt.Sprintf("There is no host called %s.", e.Name)
		}
		return "no_such_host", fmt.Sprintf("The host %s could not be looked up: %s.", e.Name, e.Err)
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate", fmt.Sprintf("The certificate of the server is not trusted: %v.", e.Err)
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return "certificate", fmt.Sprintf("The certificate of the server is not trusted: %v.", e)
	}
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, ErrNetwork):
		return "network_refused", "Replications may not connect there: the settings of this server forbid the address."
	case errors.Is(err, errMoved):
		return "redirected", "The server sends requests to another address. Give the URL of that one."
	case errors.Is(err, errRedirect):
		return "redirected", "The server sends requests to another host. Name that one."
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return "no_https", "The server does not speak HTTPS at this port."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused", "Nothing listens there: the server may be stopped, or the port is another one."
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable", "There is no way to this host in the network."
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errStalled):
		return "timeout", "The server does not answer in time."
	}
	return "", ""
}
