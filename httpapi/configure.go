package httpapi

import (
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/intake"
)

// inForce is the settings that requests ask for, read and made ready once for each
// change. A request loads it when it needs it, so that a change counts from the next
// request on.
type inForce struct {
	cors              *cors
	challenge         []string // WWW-Authenticate of a 401; nil: none
	sandbox           []string // Content-Security-Policy of attachments; nil: none
	maxRequestSize    int64
	maxDocumentSize   int64
	maxAttachmentSize int64 // 0: any

	budget            *intake.Budget
	byUser, byAddress *rates // nil: as often as they like
	proxies           proxies
	auditRevisions    bool
	validUser         bool // only known users are answered
	validExceptUp     bool // the same, but for /_up
	publicFields      []string
	usersSecurity     bool   // that of _users may be changed
	proxyToken        string // header with which a proxy proves itself
	tokenLifetime     time.Duration
	tokenMaxLifetime  time.Duration
	feedsPerUser      int           // 0: any number
	bodyStall         time.Duration // 0: for ever
	answerStall       time.Duration // 0: for ever
}

// readInForce reads the settings; what of old is still right goes on.
func readInForce(c *config.Config, old *inForce) *inForce {
	set := &inForce{
		maxRequestSize:    c.Int("chttpd", "max_http_request_size"),
		maxDocumentSize:   c.Int("couchdb", "max_document_size"),
		maxAttachmentSize: c.Int("couchdb", "max_attachment_size"),
		validUser:         c.RequireValidUser(),
		validExceptUp:     c.Bool("chttpd", "require_valid_user_except_for_up"),
		usersSecurity:     c.Bool("couchdb", "users_db_security_editable"),
		proxyToken:        http.CanonicalHeaderKey(c.String("chttpd_auth", "x_auth_token")),
		tokenLifetime:     c.Duration("device_tokens", "lifetime"),
		tokenMaxLifetime:  c.Duration("device_tokens", "max_lifetime"),

		byUser:         newRates(old.byUser, c.Float("limits", "user_requests"), c.Int("limits", "user_burst")),
		byAddress:      newRates(old.byAddress, c.Float("limits", "address_requests"), c.Int("limits", "address_burst")),
		proxies:        c.Networks("limits", "trusted_proxies"),
		feedsPerUser:   int(c.Int("limits", "feeds_per_user")),
		auditRevisions: c.Bool("audit", "revisions"),
		bodyStall:      c.Duration("limits", "body_stall"),
		answerStall:    c.Duration("limits", "answer_stall"),
	}
	set.budget = old.budget
	if memory, wait := c.Int("limits", "body_memory"), c.Duration("limits", "body_wait"); !set.budget.Is(memory, wait) {
		set.budget = intake.NewBudget(memory, wait)
	}
	if c.Bool("chttpd_auth", "users_db_public") {
		set.publicFields = c.List("chttpd_auth", "public_fields")
	}
	if c.CORS() {
		set.cors = newCORS(c)
	}
	switch challenge := c.WWWAuthenticate(); {
	case challenge != "":
		set.challenge = []string{challenge}
	case c.RequireValidUser():
		set.challenge = []string{`Basic realm="server"`} // as CouchDB: nobody gets to a page that could ask
	}
	if c.Bool("csp", "attachments_enable") {
		set.sandbox = []string{c.String("csp", "attachments_header_value")}
	}
	return set
}

// configureFirst takes in the settings and sees to it that changes are taken in too.
func (s *Server) configureFirst() error {
	c := s.config
	admins := c.Section("admins")
	var err error
	s.auth, err = auth.New(auth.Options{
		Admins: admins, Accounts: &accounts{s: s}, Devices: s.devices, Settings: authSettings(c), Now: s.opt.Now,
		Address: func(r *http.Request) string { return addressKey(s.clientAddr(r)) },
		Proxied: func(r *http.Request) bool { p := s.set.Load().proxies; return len(p) == 0 || p.sent(r) },
		Warn:    s.log.Warn,
	})
	if err != nil {
		return err
	}
	s.configure()
	c.Watch(func() {
		s.configure()
		if err := s.auth.Configure(authSettings(c)); err != nil {
			s.log.Error("how users prove who they are stays as it was", "error", err)
		}
		// Only when they have changed: it ends what is remembered of verified passwords.
		if now := c.Section("admins"); !maps.Equal(now, admins) {
			if err := s.auth.SetAdmins(now); err != nil {
				s.log.Error("the administrators stay as they were", "error", err)
				return
			}
			admins = now
		}
	})
	return nil
}

// configure takes in the settings as they are now.
func (s *Server) configure() {
	old := s.set.Load()
	if old == nil {
		old = &inForce{}
	}
	s.set.Store(readInForce(s.config, old))
}

// authSettings reads how users prove who they are.
func authSettings(c *config.Config) auth.Settings {
	const section, lockout = "chttpd_auth", "chttpd_auth_lockout"
	scheme := c.String(section, "password_scheme")
	if scheme == "simple" {
		scheme = "pbkdf2"
	}
	return auth.Settings{
		Handlers:   c.Ways(),
		Secret:     []byte(c.String(section, "secret")),
		Algorithms: c.List(section, "hash_algorithms"),
		Timeout:    c.Duration(section, "timeout"),
		ToTheEnd:   !c.Bool(section, "allow_persistent_cookies"),
		SameSite:   c.String(section, "same_site"),
		Domain:     c.String(section, "cookie_domain"),

		ProxyUnsigned: !c.Bool(section, "proxy_use_secret"),
		ProxyName:     c.String(section, "x_auth_username"),
		ProxyRoles:    c.String(section, "x_auth_roles"),
		ProxyToken:    c.String(section, "x_auth_token"),

		JWT: auth.JWTSettings{
			Keys:       c.Section("jwt_keys"),
			Required:   requiredClaims(c),
			RolesClaim: c.String("jwt_auth", "roles_claim_name"),
			RolesPath:  c.String("jwt_auth", "roles_claim_path"),
		},
		Hashing: auth.Hashing{
			Scheme:     scheme,
			PRF:        c.String(section, "pbkdf2_prf"),
			Iterations: int(c.Int(section, "iterations")),
		},
		KeepHashes:    !c.Bool(section, "upgrade_hash_on_auth"),
		MinIterations: int(c.Int(section, "min_iterations")),
		MaxIterations: int(c.Int(section, "max_iterations")),
		Lockout: auth.Lockout{
			Mode:      c.String(lockout, "mode"),
			Threshold: int(c.Int(lockout, "threshold")),
			Objects:   int(c.Int(lockout, "max_objects")),
			Lifetime:  c.Duration(lockout, "max_lifetime"),
		},
	}
}

// requiredClaims are the claims that a JWT must have: exp unless something is set, be it
// nothing.
func requiredClaims(c *config.Config) string {
	name := config.Name{Section: "jwt_auth", Name: "required_claims"}
	if one, _ := c.ShowOne(name); one.From == config.OfDefault {
		return "exp"
	}
	return c.String(name.Section, name.Name)
}

// checkAuthSetting refuses a value that only package auth can judge.
func (s *Server) checkAuthSetting(name config.Name, value string) error {
	set := authSettings(s.config)
	switch {
	case name.Section == "jwt_keys":
		set.JWT.Keys = map[string]string{name.Name: value}
	case name == config.Name{Section: "jwt_auth", Name: "required_claims"}:
		set.JWT.Required = value
	case name == config.Name{Section: "chttpd_auth", Name: "hash_algorithms"}:
		set.Algorithms = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	default:
		return nil
	}
	if err := set.Check(); err != nil {
		return badRequest("%s", err)
	}
	return nil
}
