package httpapi

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
)

// ifUser refuses a request whose header If-User names another user than the one who asks. A session
// may end, or another one begin in the same browser, at any moment before a request arrives: where
// everybody may write, the write would succeed in the name of nobody. The name is percent-encoded;
// an empty one is nobody's.
func ifUser(r *http.Request, user auth.User) error {
	given := r.Header["If-User"]
	if len(given) == 0 {
		return nil
	}
	name, err := url.PathUnescape(given[0])
	if err != nil || len(given) > 1 {
		return wire.BadRequest("If-User must be one name, percent-encoded")
	}
	if name == user.Name {
		return nil
	}
	is := "nobody is signed in"
	if !user.Anonymous() {
		is = fmt.Sprintf("%s is signed in", user.Name)
	}
	return wire.Errorf(http.StatusUnauthorized, "unauthorized", "This request is to be made by %q only, and %s. Nothing was changed.", name, is)
}
