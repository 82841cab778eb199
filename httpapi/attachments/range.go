package attachments

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

// maxSpans is how many ranges a request may ask for. If it asks for more, it gets everything.
const maxSpans = 9

// span is a range of an attachment's bytes.
type span struct{ from, length int64 }

func (sp span) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", sp.from, sp.from+sp.length-1, size)
}

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }

var errRange = wire.Errorf(http.StatusRequestedRangeNotSatisfiable, "requested_range_not_satisfiable", "Requested range not satisfiable")

// parseRange reads a Range header. No ranges stand for everything. This is the result for an
// unreadable header and, as in CouchDB, for one that contains "0-".
func parseRange(header string, size int64) ([]span, error) {
	list, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return nil, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(part) == "0-" {
			return nil, nil
		}
	}
	var spans []span
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			return nil, nil
		}
		from, errFrom := parsePlace(first)
		to, errTo := parsePlace(last)
		switch {
		case first == "" && errTo == nil: // the last bytes
			from, to = max(size-to, 0), size-1
			if size > 0 && last == "0" {
				return nil, errRange
			}
		case errFrom == nil && last == "":
			to = size - 1
		case errFrom != nil || errTo != nil:
			return nil, nil
		}
		to = min(to, size-1)
		if from > to || from < 0 {
			return nil, errRange
		}
		spans = append(spans, span{from, to - from + 1})
	}
	if len(spans) > maxSpans {
		return nil, nil
	}
	return spans, nil
}

// parsePlace reads a position in an attachment. One that is too large becomes the largest.
func parsePlace(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return n, nil
	}
	return n, err
}

// sendSpans sends several ranges, each as a part.
func sendSpans(w http.ResponseWriter, r *http.Request, db *store.DB, att *store.Attachment, spans []span) error {
	boundary := NewBoundary()
	w.Header()["Content-Type"] = []string{`multipart/byteranges; boundary="` + boundary + `"`}
	w.WriteHeader(http.StatusPartialContent)
	if r.Method == http.MethodHead {
		return nil
	}
	for _, sp := range spans {
		_, err := fmt.Fprintf(w, "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n", boundary, store.InHead(att.Type), sp.contentRange(att.Length))
		if err != nil {
			return err
		}
		if err := copyAttachment(r.Context(), w, db, att, sp); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\r\n--%s--", boundary)
	return err
}
