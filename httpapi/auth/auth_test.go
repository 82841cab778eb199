package auth

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPasswordForms(t *testing.T) {
	made, err := Hash("secret", Hashing{PRF: "sha256", Iterations: 10})
	if err != nil {
		t.Fatal(err)
	}
	other, err := Hash("secret", Hashing{Scheme: SchemeArgon2, PRF: "sha512", Iterations: 17})
	if err != nil || !strings.HasPrefix(other, "-pbkdf2:sha512-") || !strings.HasSuffix(other, ",17") {
		t.Errorf("%s, %v", other, err)
	}
	for _, c := range []struct{ name, value, right string }{
		{"in clear", "secret", "secret"},
		{"in clear, empty", "", ""},
		{"in clear, with a dash", "-pbkdf", "-pbkdf"},
		{"our own", made, "secret"},
		{"our own, by other settings", other, "secret"},
		{"pbkdf2 with SHA-1", "-pbkdf2-a3fd83e40f8abada8137590f69736c4d5abbd679,abcdef,10", "secret"},
		{"the same, named", "-pbkdf2:sha-a3fd83e40f8abada8137590f69736c4d5abbd679,abcdef,10", "secret"},
		{"CouchDB 1", fmt.Sprintf("-hashed-%x,abc", sha1.Sum([]byte("secretabc"))), "secret"},
	} {
		p, err := ParsePassword(c.value)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !p.Matches(c.right) {
			t.Errorf("%s: the right password is refused", c.name)
		}
		if p.Matches("wrong") || p.Matches(c.right+" ") {
			t.Errorf("%s: a wrong password is taken", c.name)
		}
	}
	for _, bad := range []string{"-pbkdf2-", "-pbkdf2-a,b,c", "-pbkdf2:md5-00,11,10", "-pbkdf2:sha256-00112233445566778899aabbccddeeff,s,0",
		"-hashed-xx,yy", "-pbkdf2:sha256-,s,10", "-hashed-,s"} {
		if _, err := ParsePassword(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newAuth(t *testing.T, c *clock) *Authenticator {
	t.Helper()
	hash, err := Hash("secret", Hashing{PRF: "sha256", Iterations: 10})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Admins: map[string]string{"root": hash, "anna": "pass:word"}, Settings: Settings{Secret: []byte("k")}, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func request(headers ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func basic(credentials string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
}

func TestBasic(t *testing.T) {
	a := newAuth(t, &clock{now: time.Unix(1700000000, 0)})
	for range 2 { // the second time from memory
		for _, c := range []struct {
			header, name string
			err          error
		}{
			{basic("root:secret"), "root", nil},
			{strings.Replace(basic("root:secret"), "Basic", "bAsIc", 1), "", nil},
			{basic("anna:pass:word"), "anna", nil},
			{basic("root:wrong"), "", ErrBadLogin},
			{basic("root:"), "", ErrBadLogin},
			{basic("nobody:secret"), "", ErrBadLogin},
			{basic(":"), "", ErrBadLogin},
			{basic("root"), "", nil},
			{basic("_:_"), "", nil},
			{basic("_:x"), "", ErrBadLogin},
			{"Basic ", "", nil},
			{"Basic", "", nil},
			{"Bearer abc", "", nil},
			{"Basic !!!", "", ErrBadBase64},
			{"", "", nil},
		} {
			user, _, err := a.Authenticate(request("Authorization", c.header))
			if !errors.Is(err, c.err) || user.Name != c.name || user.Admin != (c.name != "") {
				t.Errorf("%q: %+v, %v", c.header, user, err)
			}
		}
	}
}

func TestANewPasswordEndsWhatTheOldOneOpened(t *testing.T) {
	a := newAuth(t, &clock{now: time.Unix(1700000000, 0)})
	_, cookie, err := a.Login(request(), "anna", "pass:word")
	if err != nil {
		t.Fatal(err)
	}
	credentials := request("Authorization", basic("anna:pass:word"))
	session := request("Cookie", cookie)
	for _, r := range []*http.Request{credentials, session} {
		if user, _, err := a.Authenticate(r); err != nil || !user.Admin {
			t.Fatalf("%+v, %v", user, err)
		}
	}
	if err := a.SetAdmins(map[string]string{"anna": "another"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Authenticate(credentials); !errors.Is(err, ErrBadLogin) {
		t.Errorf("the old password: %v", err)
	}
	if user, _, err := a.Authenticate(session); err != nil || !user.Anonymous() {
		t.Errorf("the old session: %+v, %v", user, err)
	}
}

func TestSession(t *testing.T) {
	c := &clock{now: time.Unix(1700000000, 0)}
	a := newAuth(t, c)
	if _, _, err := a.Login(request(), "root", "wrong"); !errors.Is(err, ErrBadLogin) {
		t.Errorf("wrong password: %v", err)
	}
	_, cookie, err := a.Login(request(), "root", "secret")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"AuthSession=", "; Version=1", "; Path=/", "; HttpOnly", "; Max-Age=600", "; Expires=Tue, 14 Nov 2023 22:23:20 GMT"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("%q lacks %q", cookie, part)
		}
	}
	ask := func(cookie string) (User, string) {
		t.Helper()
		user, renew, err := a.Authenticate(request("Cookie", cookie, "Authorization", basic("root:wrong")))
		if err != nil && !errors.Is(err, ErrBadLogin) {
			t.Fatal(err)
		}
		return user, renew
	}
	if user, renew := ask("x=y; " + cookie); user.Name != "root" || user.By != "cookie" || renew != "" {
		t.Errorf("fresh: %+v, renewed %q", user, renew)
	}
	c.pass(2 * time.Minute)
	user, renewed := ask(cookie)
	if user.Name != "root" || renewed == "" {
		t.Errorf("used: %+v, renewed %q", user, renewed)
	}
	c.pass(8 * time.Minute)
	if user, _ := ask(cookie); !user.Anonymous() {
		t.Errorf("ended: %+v", user)
	}
	if user, _ := ask(renewed); user.Name != "root" {
		t.Errorf("renewed: %+v", user)
	}
}

func TestForgedCookies(t *testing.T) {
	c := &clock{now: time.Unix(1700000000, 0)}
	a := newAuth(t, c)
	seal := func(secret, name string) string {
		set, _ := Settings{Secret: []byte(secret)}.complete(nil)
		return set.seal("", name, c.Now())
	}
	b64 := base64.RawURLEncoding.EncodeToString
	for _, value := range []string{"bad", "garbage", "!", b64([]byte("root")), b64([]byte("root:zz:x")), b64([]byte("a:b"))} {
		if _, _, err := a.Authenticate(request("Cookie", "AuthSession="+value)); !errors.Is(err, ErrBadCookie) {
			t.Errorf("%q: %v", value, err)
		}
	}
	for _, value := range []string{"", b64([]byte("root:6553F100:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")), b64([]byte("nobody:6553F100:x")),
		seal("other", "root"), seal("k", "root"), seal("k", "nobody")} {
		user, _, err := a.Authenticate(request("Cookie", "AuthSession="+value))
		if err != nil || !user.Anonymous() {
			t.Errorf("%q: %+v, %v", value, user, err)
		}
	}
}

func TestSecurity(t *testing.T) {
	anonymous, anna, reader, boss, root := User{}, User{Name: "anna"}, User{Name: "x", Roles: []string{"readers"}}, User{Name: "y", Roles: []string{"boss"}}, User{Name: "root", Admin: true}
	for _, c := range []struct {
		raw             string
		members, admins []User
	}{
		{``, []User{root}, []User{root}},
		{`{}`, []User{anonymous, anna, reader, boss, root}, []User{root}},
		{`{"members":{"names":[],"roles":[]},"admins":{"names":[],"roles":["boss"]}}`, []User{anonymous, anna, reader, boss, root}, []User{boss, root}},
		{`{"members":{"names":["anna"],"roles":["readers"]},"admins":{"roles":["boss"]}}`, []User{anna, reader, boss, root}, []User{boss, root}},
		{`{"members":{"names":["zoe"]},"admins":{"names":["anna"]}}`, []User{anna, root}, []User{anna, root}},
		{`{"readers":{"names":["anna"]}}`, []User{anna, root}, []User{root}},
		{`{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}`, []User{root}, []User{root}},
		{`{"members":5}`, []User{root}, []User{root}},
	} {
		s := ParseSecurity([]byte(c.raw))
		for _, u := range []User{anonymous, anna, reader, boss, root} {
			in := func(list []User) bool {
				for _, one := range list {
					if one.Name == u.Name {
						return true
					}
				}
				return false
			}
			if s.Member(u) != in(c.members) || s.Admin(u) != in(c.admins) {
				t.Errorf("%s: %q is member %v, admin %v", c.raw, u.Name, s.Member(u), s.Admin(u))
			}
		}
	}
}

func FuzzCookie(f *testing.F) {
	f.Add("cm9vdDo2NTUzRjEwMDp4")
	a, _ := New(Options{Admins: map[string]string{"root": "x"}, Settings: Settings{Secret: []byte("k")}})
	f.Fuzz(func(t *testing.T, value string) {
		r := request()
		r.Header.Set("Cookie", "AuthSession="+value)
		if user, _, _ := a.Authenticate(r); !user.Anonymous() {
			t.Fatalf("%q is %+v", value, user)
		}
	})
}

func BenchmarkBasic(b *testing.B) {
	hash, _ := Hash("secret", Hashing{PRF: "sha256", Iterations: 10})
	a, _ := New(Options{Admins: map[string]string{"root": hash}})
	r := request("Authorization", basic("root:secret"))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := a.Authenticate(r); err != nil {
			b.Fatal(err)
		}
	}
}
