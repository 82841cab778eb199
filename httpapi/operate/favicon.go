package operate

import "net/http"

// Favicon answers the request that every browser sends. There is no icon. The answer is valid
// for a month, so browsers do not ask again.
func (o *Room) Favicon(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "max-age=2592000")
	w.WriteHeader(http.StatusNoContent)
	return nil
}
