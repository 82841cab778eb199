package httpapi

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"github.com/tododb/tododb/httpapi/wire"
)

// maxRates is the number of users or addresses whose recent requests are remembered.
const maxRates = 10_000

// rates limits how often each user or address may ask. nil limits nobody. If there are too many,
// it forgets the ones that have asked least recently: after a pause, a new limiter does the same.
type rates struct {
	limit rate.Limit
	burst int

	mu sync.Mutex // guards of
	of *simplelru.LRU[string, *rate.Limiter]
}

// newRates limits requests to perSecond, and to burst at once. If old has the same limits, it
// is kept.
func newRates(old *rates, perSecond float64, burst int64) *rates {
	if perSecond == 0 {
		return nil
	}
	if old != nil && old.limit == rate.Limit(perSecond) && old.burst == int(burst) {
		return old
	}
	r := &rates{limit: rate.Limit(perSecond), burst: int(burst)}
	r.of, _ = simplelru.NewLRU[string, *rate.Limiter](maxRates, nil) // it fails only for a size below 1
	return r
}

// wait counts a request. If the result is above zero, refuse the request; a later one will be
// answered after this time.
func (r *rates) wait(key string, now time.Time) time.Duration {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l, known := r.of.Get(key)
	if !known {
		l = rate.NewLimiter(r.limit, r.burst)
		r.of.Add(key, l)
	}
	if l.AllowN(now, 1) {
		return 0
	}
	return time.Duration((1 - l.TokensAt(now)) / float64(r.limit) * float64(time.Second))
}

var errTooMany = wire.Errorf(http.StatusTooManyRequests, "too_many_requests", "Too many requests; Retry-After says when to try again.")

// tooMany refuses a request for a while.
func tooMany(x *wire.Exchange, r *http.Request, wait time.Duration) {
	x.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
	wire.Fail(x, r, errTooMany)
}
