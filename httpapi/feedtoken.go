package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/tododb/tododb/httpapi/auth"
)

// feedToken is the token of a device that a feed was asked for with. A feed may go on for
// long; it ends, well formed, when the token does.
type feedToken struct {
	s      *Server
	device *auth.Device
}

// feedToken is nil for a request without such a token.
func (s *Server) feedToken(r *http.Request) *feedToken {
	if d := s.user(r).Device; d != nil {
		return &feedToken{s, d}
	}
	return nil
}

// holds tells whether the feed may go on.
func (t *feedToken) holds(ctx context.Context) (bool, error) {
	if t == nil {
		return true, nil
	}
	if t.left() <= 0 {
		return false, nil
	}
	d, err := t.s.devices.Device(ctx, t.device.ID)
	if d == nil || err != nil {
		return false, err
	}
	return t.s.auth.Owned(ctx, d)
}

// left is for how long the token is good.
func (t *feedToken) left() time.Duration { return t.device.Expires.Sub(t.s.opt.Now()) }
