package httpapi

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"
)

// designRest answers what lies below a design document: its functions, and its
// attachments.
func (s *Server) designRest() methods {
	functions := map[string]methods{
		"_view": always(s.views),
		"_info": on("GET", "GET", s.designInfo),

		"_show":    on("GET,HEAD,POST", "GET,POST", s.show),
		"_update":  always(s.update),
		"_list":    on("GET,HEAD,POST", "GET,POST", s.list),
		"_rewrite": always(s.rewrite),
	}
	for _, name := range []string{"_search", "_search_info", "_nouveau", "_nouveau_info"} {
		functions[name] = always(s.unbuiltInDB)
	}
	attachment := s.handle(s.attachmentMethods())
	return always(func(w http.ResponseWriter, r *http.Request) error {
		name, _, _ := strings.Cut(mux.Vars(r)["rest"], "/")
		if m, ok := functions[name]; ok {
			s.handle(m).ServeHTTP(w, r)
		} else {
			attachment.ServeHTTP(w, r)
		}
		return nil
	})
}
