package httpapi_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/httpapitest"
	"github.com/tododb/tododb/store/health"
)

func TestDoctorForAdministrators(t *testing.T) {
	t.Parallel()
	s := httpapitest.Open(t, httpapi.Options{Health: func(context.Context) []health.Finding {
		return []health.Finding{{Check: "disk", State: health.Fault, Says: "Full.", Cure: "Make room."}}
	}})
	answer := httpapitest.Call(s, "GET", "/_node/_local/_doctor", "", "Admin", "")
	if want := `{"healthy":false,"findings":[{"check":"disk","state":"fault","says":"Full.","cure":"Make room."}]}`; answer.Code != 200 || strings.TrimSpace(answer.Body.String()) != want {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if answer := httpapitest.Call(s, "GET", "/_node/_local/_doctor", ""); answer.Code != 401 {
		t.Errorf("anybody: %d", answer.Code)
	}
}

// A cookie that was given over a proxy's HTTPS is for HTTPS only, as browsers want it of one for other sites.
func TestCookieBehindAProxy(t *testing.T) {
	t.Parallel()
	for proxies, secure := range map[string]bool{"192.0.2.0/24": true, "": false} { // where httptest's requests come from
		s := httpapitest.Open(t, httpapi.Options{Config: httpapitest.Settings(t, "limits/trusted_proxies", proxies)})
		answer := httpapitest.Call(s, "POST", "/_session", `{"name":"admin","password":"secret"}`, "X-Forwarded-Proto", "https")
		if cookie := answer.Header().Get("Set-Cookie"); answer.Code != 200 || strings.Contains(cookie, "; Secure") != secure {
			t.Errorf("proxies %q: %d, %s", proxies, answer.Code, cookie)
		}
	}
}
