package operate

import "net/http"

// Favicon answers what every browser asks for. There is no picture; saying so for a
// month keeps it from asking again.
func (o *Room) Favicon(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "max-age=2592000")
	w.WriteHeader(http.StatusNoContent)
	return nil
}
