package wire

import (
	"net/http"
	"sync"
)

// openFeeds counts the feeds that wait, in total and by user.
type openFeeds struct {
	mu  sync.Mutex // guards what follows
	all int
	of  map[string]int
}

var errTooManyFeeds = Errorf(http.StatusTooManyRequests, "too_many_requests", "You have too many open feeds; end one first.")

// asker names who a request counts for when requests share something: a user or, if anonymous,
// an address.
func (x *Exchange) asker(r *http.Request) string {
	if x.User.Anonymous() {
		return "address " + AddressKey(x.shared.ClientAddr(r))
	}
	return "user " + x.User.Name
}

// asks is asker for the request as it came.
func (x *Exchange) asks() string { return x.asker(x.asked) }

// EnterFeed counts a feed if it waits. The caller must call leave when it ends. The number of
// feeds is limited for each user, and for all anonymous users of one address together.
func EnterFeed(w http.ResponseWriter, r *http.Request, framing Framing) (leave func(), err error) {
	if framing == Normal {
		return func() {}, nil
	}
	x := ExchangeOf(r)
	x.IsFeed = true
	key := x.asker(r)
	f := &x.shared.feeds
	f.mu.Lock()
	defer f.mu.Unlock()
	if most := x.shared.settings().FeedsPerUser; most > 0 && f.of[key] >= most && !x.User.Admin {
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

// count returns how many feeds wait.
func (f *openFeeds) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all
}
