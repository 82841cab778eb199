package httpapi

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxRates bounds of how many users or addresses it is remembered what they have asked
// for lately.
const maxRates = 10_000

// rates says how often each of many may ask. nil never keeps anybody waiting.
type rates struct {
	limit rate.Limit
	burst int

	mu    sync.Mutex // guards what follows
	of    map[string]*rate.Limiter
	swept time.Time
}

// newRates makes the rates of so many requests a second, and so many at once; old ones
// that are the same go on as they were.
func newRates(old *rates, perSecond float64, burst int64) *rates {
	if perSecond == 0 {
		return nil
	}
	if old != nil && old.limit == rate.Limit(perSecond) && old.burst == int(burst) {
		return old
	}
	return &rates{limit: rate.Limit(perSecond), burst: int(burst), of: map[string]*rate.Limiter{}}
}

// wait counts a request. Above zero it is not to be answered, and a later one will be
// after so long.
func (r *rates) wait(key string, now time.Time) time.Duration {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.of[key]
	if l == nil {
		if len(r.of) >= maxRates {
			r.shrink(now)
		}
		l = rate.NewLimiter(r.limit, r.burst)
		r.of[key] = l
	}
	if l.AllowN(now, 1) {
		return 0
	}
	return time.Duration((1 - l.TokensAt(now)) / float64(r.limit) * float64(time.Second))
}

// shrink forgets those who have not asked for long: a new limiter is as good as theirs.
// Where there are none it forgets anybody, rather than growing.
func (r *rates) shrink(now time.Time) {
	if now.Sub(r.swept) >= time.Second { // it looks at all of them
		r.swept = now
		for key, l := range r.of {
			if l.TokensAt(now) >= float64(r.burst) {
				delete(r.of, key)
			}
		}
	}
	for key := range r.of {
		if len(r.of) < maxRates {
			return
		}
		delete(r.of, key)
	}
}

var errTooMany = errorf(http.StatusTooManyRequests, "too_many_requests", "Too many requests; Retry-After says when to ask again.")

// tooMany refuses a request for a while.
func tooMany(x *exchange, r *http.Request, wait time.Duration) {
	x.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
	fail(x, r, errTooMany)
}
