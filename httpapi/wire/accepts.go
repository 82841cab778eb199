package wire

import (
	"net/http"
	"strings"
)

// AcceptsCoding tells whether the client takes an answer in a content coding, such as gzip. It
// has to name the coding.
func AcceptsCoding(r *http.Request, coding string) bool {
	return accepts(r.Header["Accept-Encoding"], coding)
}

// AcceptsType tells whether the client names a media type in Accept, without ranges of them.
func AcceptsType(r *http.Request, media string) bool { return accepts(r.Header["Accept"], media) }

// accepts looks for a name in lists that may give qualities. A quality of 0 refuses it.
func accepts(lines []string, name string) bool {
	for _, line := range lines {
		for line != "" {
			var one string
			one, line, _ = strings.Cut(line, ",")
			one, quality, _ := strings.Cut(one, ";")
			if strings.EqualFold(strings.TrimSpace(one), name) {
				quality = strings.ReplaceAll(quality, " ", "")
				return !strings.HasPrefix(quality, "q=0") || strings.Trim(quality[3:], ".0") != ""
			}
		}
	}
	return false
}
