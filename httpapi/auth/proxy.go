package auth

import (
	"encoding/hex"
	"net/http"
	"strings"
)

// byProxy believes what a proxy in front of the server says of who asks. Its token is the
// hex HMAC of the name under the secret; without a right one the headers count for
// nothing. Where none is asked for, they are those of the proxies that are trusted, if any
// are named.
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

// outside makes the user that somebody whom the operator trusts has spoken for. As in
// CouchDB that may be an administrator.
func outside(name string, roles []string, by string) User {
	u := User{Name: name, Roles: roles, By: by}
	u.Admin = u.Has("_admin")
	return u
}
