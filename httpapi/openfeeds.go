package httpapi

import (
	"net/http"
	"sync"

	"github.com/tododb/tododb/httpapi/auth"
)

// openFeeds counts the feeds that wait, all of them and those of each user.
type openFeeds struct {
	mu  sync.Mutex // guards what follows
	all int
	of  map[string]int
}

var errTooManyFeeds = errorf(http.StatusTooManyRequests, "too_many_requests", "You have too many open feeds; end one first.")

// asker is who counts as one where requests share something: a user, or an address of
// anonymous ones.
func (s *Server) asker(user auth.User, r *http.Request) string {
	if user.Anonymous() {
		return "address " + addressKey(s.clientAddr(r))
	}
	return "user " + user.Name
}

// enterFeed counts a feed in, if it is one that waits; leave counts it out. One user, or
// all the anonymous ones of one address, may have so many at once and no more.
func (s *Server) enterFeed(w http.ResponseWriter, r *http.Request, framing feedFraming) (leave func(), err error) {
	if framing == framingNormal {
		return func() {}, nil
	}
	if x := exchangeOf(r); x != nil {
		x.feed = true
	}
	user := s.user(r)
	key := s.asker(user, r)
	f := &s.feeds
	f.mu.Lock()
	defer f.mu.Unlock()
	if most := s.set.Load().feedsPerUser; most > 0 && f.of[key] >= most && !user.Admin {
		w.Header().Set("Retry-After", "10")
		return nil, errTooManyFeeds
	}
	if f.of == nil {
		f.of = map[string]int{}
	}
	f.of[key]++
	f.all++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.all--
		if f.of[key]--; f.of[key] == 0 {
			delete(f.of, key)
		}
	}, nil
}

// count is how many feeds wait.
func (f *openFeeds) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all
}
