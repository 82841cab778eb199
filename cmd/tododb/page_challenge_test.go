package main

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/tododb/tododb/store/widetest"
)

// A server that answers only known users says so in a way that has browsers ask for a password themselves. On
// the page nobody sees that question: it has a form of its own.
func TestPageAsksForPasswordsItself(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p, b := servePage(t)
	p.do(201, "PUT", "/notes", "")
	p.do(201, "PUT", "/notes/cake", `{"eggs":2}`)
	p.do(200, "PUT", "/_node/_local/_config/chttpd/require_valid_user", `"true"`)
	var mu sync.Mutex
	refused, asked := 0, []string{}
	if err := chromedp.Listen(b.ctx, func(event any) {
		e, is := event.(*network.EventResponseReceived)
		if !is || e.Response.Status != 401 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		refused++
		for name, value := range e.Response.Headers {
			if text, _ := value.(string); strings.EqualFold(name, "WWW-Authenticate") && !strings.HasPrefix(text, "Cookie") {
				asked = append(asked, e.Response.URL+": "+text)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.do("listen to the network", command(network.Enable, network.EnableParams{}))
	b.open("")
	b.fill("Name", testUser)
	b.fill("Password", "wrong")
	b.click("button", "Sign in")
	b.sees("The name or the password is wrong.")
	b.signIn()
	for _, from := range []string{"", "#/db/notes/docs"} {
		b.open(from)
		b.finds("navigation", "Server")
		var places []string
		if err := json.Unmarshal([]byte(b.eval(`[...document.querySelectorAll('nav a')].map((a) => a.getAttribute('href'))`)), &places); err != nil {
			t.Fatal(err)
		}
		for _, place := range places {
			b.open(place)
			b.until("show "+place, chromedp.Evaluate[bool](`!!document.querySelector('.screen > *') && !document.querySelector('.waiting')`))
		}
	}
	b.open("#/db/notes/doc/cake")
	b.sees(`"eggs": 2`)
	b.fill(content, `{"eggs":3}`)
	b.do("lose the session", command(network.ClearBrowserCookies, cdp.Empty{}))
	b.click("button", "Save")
	b.finds("dialog", "Your session has ended")
	b.fill("Password", testPassword)
	b.click("button", "Sign in")
	b.misses("Your session has ended")
	b.click("button", "Save")
	b.sees("Saved.")
	b.click("button", "Colours and session")
	b.click("menuitem", "Sign out")
	b.click("button", "Look around without signing in")
	b.sees("Authentication required.")
	b.click("link", "Databases")
	b.sees("Only administrators of the server see the list")
	mu.Lock()
	defer mu.Unlock()
	if refused < 2 {
		t.Errorf("the browser saw %d refusals", refused)
	}
	for _, question := range asked {
		t.Errorf("the browser asks for a password: %s", question)
	}
}
