package httpapi

import "github.com/tododb/tododb/httpapi/config"

// doorSettings has the settings that every request meets before its route, prepared once for each
// change. A request loads it when it needs it, so a change applies from the next request on.
type doorSettings struct {
	cors              *corsOfHosts // nil: no web page may
	byUser, byAddress *rates       // nil: no limit
	server            []string     // the Server header
	maxURI            int          // bytes of a request's path and query; 0: any number
	frames            *frames      // nil: X-Frame-Options is not sent
	vhosts            []vhost
}

// readDoorSettings reads the settings. It keeps the parts of old that are still right.
func (s *Server) readDoorSettings(c *config.Config, old *doorSettings) *doorSettings {
	if old == nil {
		old = &doorSettings{}
	}
	set := &doorSettings{
		byUser:    newRates(old.byUser, c.Float("limits", "user_requests"), c.Int("limits", "user_burst")),
		byAddress: newRates(old.byAddress, c.Float("limits", "address_requests"), c.Int("limits", "address_burst")),
	}
	set.vhosts = readVhosts(c.Section("vhosts"))
	set.server = []string{s.server}
	if !c.Bool("chttpd", "server_header_versions") {
		set.server = []string{"CouchDB"}
	}
	set.maxURI = int(c.Int("chttpd", "max_uri_length"))
	if c.Bool("chttpd", "enable_xframe_options") {
		set.frames = &frames{sameOrigin: c.Bool("x_frame_options", "same_origin"), hosts: c.List("x_frame_options", "hosts")}
	}
	if c.Bool("chttpd", "enable_cors") {
		set.cors = newCORS(c)
	}
	return set
}
