package httpapi

import (
	"strconv"
	"testing"
	"time"
)

func TestRatesForgetTheQuiet(t *testing.T) {
	t.Parallel()
	now := time.Unix(1700000000, 0)
	r := newRates(nil, 1, 2)
	for i := range 3 * maxRates {
		r.wait(strconv.Itoa(i), now.Add(time.Duration(i)*time.Millisecond))
	}
	if r.of.Len() > maxRates {
		t.Errorf("%d are remembered, want %d at most", r.of.Len(), maxRates)
	}
	if newRates(r, 1, 2) != r || newRates(r, 2, 2) == r || newRates(r, 0, 2) != nil {
		t.Error("a change of settings does not replace rates, or the same settings do")
	}
}
