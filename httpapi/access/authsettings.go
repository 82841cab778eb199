package access

import (
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
)

// authSettings reads the settings for authentication.
func authSettings(c *config.Config) auth.Settings {
	const section, lockout = "chttpd_auth", "chttpd_auth_lockout"
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
		PasswordRules: c.String(section, "password_regexp"),
		Hashing:       Hashing(c),
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

// Hashing is how the settings want new passwords stored, those of administrators too.
func Hashing(c *config.Config) auth.Hashing {
	const section = "chttpd_auth"
	scheme := c.String(section, "password_scheme")
	if scheme == "simple" {
		scheme = auth.SchemePBKDF2
	}
	return auth.Hashing{Scheme: scheme, PRF: c.String(section, "pbkdf2_prf"), Iterations: int(c.Int(section, "iterations"))}
}

// requiredClaims returns the claims that a JWT must have. It is exp unless the setting is set,
// even to nothing.
func requiredClaims(c *config.Config) string {
	if !c.IsSet("jwt_auth", "required_claims") {
		return "exp"
	}
	return c.String("jwt_auth", "required_claims")
}

// CheckSetting refuses a bad value of a setting that only package auth can check.
func (a *Access) CheckSetting(name config.Name, value string) error {
	set := authSettings(a.config)
	switch {
	case name.Section == "jwt_keys":
		set.JWT.Keys = map[string]string{name.Name: value}
	case name == config.Name{Section: "jwt_auth", Name: "required_claims"}:
		set.JWT.Required = value
	default:
		return nil
	}
	if err := set.Check(); err != nil {
		return wire.BadRequest("%s", err)
	}
	return nil
}
