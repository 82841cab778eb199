package auth

import (
	"encoding/hex"
	"net/http"
	"strings"
)

// byProxy trusts what a proxy in front of the server says about who asks. The proxy's token is
// the hex HMAC of the name under the secret. Without a right token the headers are ignored. If
// no token is required, only trusted proxies count, if the settings name any.
func (a *Authenticator) byProxy(set *Settings, r *http.Request) User {
	name := r.Header.Get(set.ProxyName)
	if name == "" {
		return User{}
	}
	if set.ProxyUnsigned && a.opt.Proxied != nil && !a.opt.Proxied(r) {
		return User{}
	}
	if !set.ProxyUnsigned {
		token, err := hex.DecodeString(r.Header.Get(set.ProxyToken))
		if err != nil || !set.signed(set.Secret, name, token) {
			return User{}
		}
	}
	return outside(name, splitRoles(r.Header.Get(set.ProxyRoles)), ByProxy)
}

func splitRoles(list string) []string {
	roles := []string{}
	for role := range strings.SplitSeq(list, ",") {
		if role = strings.TrimSpace(role); role != "" {
			roles = append(roles, role)
		}
	}
	return roles
}

// outside makes a user that somebody else vouches for, whom the operator trusts. As in
// CouchDB, it may be an administrator.
func outside(name string, roles []string, by string) User {
	u := User{Name: name, Roles: roles, By: by}
	u.Admin = u.Has("_admin")
	return u
}
