package replicate_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store/widetest"
)

// slowly lets the bytes of attachments through in pieces, with pauses.
type slowly struct {
	next  http.RoundTripper
	pause time.Duration
	times int // pauses for each attachment
}

func (s *slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := s.next.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/photo") {
		answer.Body = &slowBody{answer.Body, *s}
	}
	return answer, err
}

type slowBody struct {
	io.ReadCloser
	slowly
}

func (s *slowBody) Read(p []byte) (int, error) {
	if s.times > 0 {
		s.times--
		time.Sleep(s.pause)
		p = p[:1]
	}
	return s.ReadCloser.Read(p)
}

// Over a slow line, attachments that each take longer than a peer may be silent come all the same, though the answer with
// their documents waits meanwhile.
func TestSlowAttachments(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	source, target := startServer(t), startServer(t)
	source.must(201, "PUT", "/db", "")
	const docs = 4
	for i := range docs {
		source.must(201, "PUT", fmt.Sprintf("/db/d%d", i), fmt.Sprintf(`{"text":%q,"_attachments":{"photo":{"content_type":"image/jpeg","data":"aGVsbG8gd29ybGQ="}}}`, strings.Repeat("x", 200<<10)))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	m, err := replicate.NewManager(t.Context(), replicate.Options{Server: "test", Wrap: func(http.RoundTripper) http.RoundTripper {
		return &slowly{transport, 500 * time.Millisecond, 6}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	_, err = m.Run(t.Context(), spec(t, source.url("db"), target.url("db"), `,"create_target":true,"retries_per_request":1,"connection_timeout":2000`))
	if err != nil {
		t.Fatal(err)
	}
	for i := range docs {
		if got := target.must(200, "GET", fmt.Sprintf("/db/d%d/photo", i), ""); got != "hello world" {
			t.Errorf("the attachment of d%d is %q", i, got)
		}
	}
}
