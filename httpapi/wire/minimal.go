package wire

import (
	"net/http"
	"slices"
	"strings"
)

// wantsMinimal tells whether a client asks for as few headers as possible.
func wantsMinimal(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Prefer"), "return=minimal")
}

// keptHeaders protect people who look at an answer in a browser. No setting removes them.
var keptHeaders = []string{"X-Content-Type-Options", "Content-Security-Policy", "X-Frame-Options"}

// minimize removes the headers that are not in a list, in the form of http.Header's keys.
func minimize(h http.Header, wanted []string) {
	for name := range h {
		if !slices.Contains(wanted, name) && !slices.Contains(keptHeaders, name) {
			delete(h, name)
		}
	}
}
