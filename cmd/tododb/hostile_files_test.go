package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// TestHostileDescriptors uses up the descriptors of a server: with connections, and with
// databases that an administrator would have to make.
func TestHostileDescriptors(t *testing.T) {
	widetest.Only(t)
	besideOthers(t)
	s := besiege(t, confinement{Memory: 256 << 20, Files: 160}, "[limits]\nheader_timeout = 2\n[couchdb]\nmax_dbs_open = 40\n")
	s.run([]attack{
		{name: "more connections than descriptors", want: "answered", do: func(s *siege) string {
			s.besides(400, "GET /_up HTTP/1.1\r\nHost: x\r\nX-Half: ", func() string { return "200" })
			// The server closes them when their heads do not come. Then there is room again.
			for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				if s.ask(nobody, "PUT", fmt.Sprint("/open/after", time.Now().UnixNano()), "{}").status == 201 {
					return "answered"
				}
			}
			return "no answer"
		}},
		{name: "more databases than descriptors", want: "all there", do: func(s *siege) string {
			const n = 150
			defer func() {
				for i := range n {
					s.ask(boss, "DELETE", fmt.Sprint("/many", i), nil)
				}
			}()
			for i := range n {
				if got := s.ask(boss, "PUT", fmt.Sprint("/many", i), nil).String(); got != "201" && !strings.HasPrefix(got, "503") {
					return got
				}
			}
			for i := range n {
				got := s.ask(boss, "PUT", fmt.Sprintf("/many%d/doc", i), "{}").String()
				if got != "201" && !strings.HasPrefix(got, "503") && got != "404 not_found" {
					return got
				}
			}
			return "all there"
		}},
	})
}
