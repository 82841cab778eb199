package snapshot_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An answer whose file cannot be read to its end is cut, and not ended as if it were whole.
func TestAnswerThatCannotBeReadIsCut(t *testing.T) {
	s := openSite(t)
	s.fill(t, "d", 1000)
	whole := s.get(t, http.StatusOK).Body.Len()
	for _, name := range s.ondisk(t) {
		if !strings.HasSuffix(name, ".cuts") {
			if err := os.Truncate(filepath.Join(s.dir, name), int64(whole/2)); err != nil {
				t.Fatal(err)
			}
		}
	}
	defer func() {
		if cause := recover(); cause != http.ErrAbortHandler {
			t.Errorf("it ends with %v", cause)
		}
	}()
	w := ask(s, "GET", "/db/_snapshot", "")
	t.Errorf("%d, with %d of %d bytes", w.Code, w.Body.Len(), whole)
}
