package main

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// With a warm browser something is seen within 100 ms. How long a paint takes on a machine that does other
// things says little, so the best of several loads counts: only a page that is slow itself has none that is
// quick. Beside each load stands one of a page of a single word, which shows how slow the machine is: where even
// that is late, the page may take three times as long.
func TestPageFirstPaint(t *testing.T) {
	t.Parallel()
	_, b := servePage(t)
	word := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<!doctype html><html lang=en><title>A word</title><link rel=icon href=data:,><p>word</p></html>"))
	}))
	t.Cleanup(word.Close)
	b.signIn()
	const most = 100.0 // ms
	paint := func(address string) float64 {
		b.do("load a page", chromedp.Navigate(address))
		b.do("load it again", chromedp.Reload())
		const first = "performance.getEntriesByName('first-contentful-paint')"
		b.until("paint", chromedp.Evaluate[bool](first+".length > 0"))
		ms, err := strconv.ParseFloat(b.eval(first+"[0].startTime"), 64)
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	plain, page := paint(word.URL), paint(b.base)
	late := func() bool { return page >= max(most, 3*plain) }
	for end := time.Now().Add(patience); late() && time.Now().Before(end); {
		plain = min(plain, paint(word.URL))
		page = min(page, paint(b.base))
	}
	t.Logf("first paint after %.0f ms; of a word after %.0f ms", page, plain)
	if late() {
		t.Errorf("the first paint comes after %.0f ms at best, that of a word after %.0f ms; want less than %.0f on a quiet machine", page, plain, most)
	}
}
