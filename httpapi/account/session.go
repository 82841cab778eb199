package account

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
)

// Session answers GET /_session: who the server thinks the user is.
func (a *Room) Session(w http.ResponseWriter, r *http.Request) error {
	user := wire.UserOf(r)
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	if user.Anonymous() && query.Is("basic") {
		return wire.Errorf(http.StatusUnauthorized, "unauthorized", "Please login.")
	}
	b := append([]byte(nil), `{"ok":true,"userCtx":{"name":`...)
	if user.Anonymous() {
		b = append(b, "null"...)
	} else {
		b = wire.AppendString(b, user.Name)
	}
	b = appendRoles(append(b, `,"roles":`...), user.Roles)
	b = appendRoles(append(b, `},"info":{"authentication_handlers":`...), a.access.Auth().Handlers())
	if db := a.settings().usersDB; db != "" {
		b = wire.AppendString(append(b, `,"authentication_db":`...), db)
	}
	if user.By != "" {
		b = wire.AppendString(append(b, `,"authenticated":`...), user.By)
	}
	if a.passwordPrinted() {
		b = wire.AppendString(append(b, `,"password_printed":`...), a.firstAdmin)
	}
	return wire.WriteJSON(w, r, http.StatusOK, append(b, "}}"...))
}

// appendRoles appends a list of strings.
func appendRoles(b []byte, roles []string) []byte {
	b = append(b, '[')
	for i, role := range roles {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, role)
	}
	return append(b, ']')
}

// Login answers POST /_session with a session cookie.
func (a *Room) Login(w http.ResponseWriter, r *http.Request) error {
	name, password, err := credentials(w, r)
	if err != nil {
		return err
	}
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	wire.Note(r, slog.String("name", name))
	user, cookie, err := a.access.Auth().Login(r, name, password)
	if errors.Is(err, auth.ErrBadLogin) {
		w.Header().Set("Set-Cookie", a.access.Auth().Logout(r))
		status, location, e := redirectTo(r, query, "fail", http.StatusUnauthorized)
		if e != nil {
			return e
		}
		if location != "" {
			w.Header().Set("Location", location)
			return wire.WriteJSON(w, r, status, []byte(`{"error":"unauthorized","reason":"Name or password is incorrect."}`))
		}
		return err
	}
	if err != nil {
		return err
	}
	status, location, err := redirectTo(r, query, "next", http.StatusOK)
	if err != nil {
		return err
	}
	if location != "" {
		w.Header().Set("Location", location)
	}
	w.Header().Set("Set-Cookie", cookie)
	b := wire.AppendString([]byte(`{"ok":true,"name":`), user.Name)
	b = appendRoles(append(b, `,"roles":`...), user.Roles)
	return wire.WriteJSON(w, r, status, append(b, '}'))
}

// Logout answers DELETE /_session. The server has nothing to forget: a session exists only in
// its cookie.
func (a *Room) Logout(w http.ResponseWriter, r *http.Request) error {
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	status, location, err := redirectTo(r, query, "next", http.StatusOK)
	if err != nil {
		return err
	}
	if location != "" {
		w.Header().Set("Location", location)
	}
	w.Header().Set("Set-Cookie", a.access.Auth().Logout(r))
	return wire.WriteJSON(w, r, status, []byte(`{"ok":true}`))
}

// credentials reads a name and a password from a form or a JSON body.
func credentials(w http.ResponseWriter, r *http.Request) (name, password string, err error) {
	header := r.Header.Get("Content-Type")
	form := wire.IsType(header, "application/x-www-form-urlencoded")
	if !form && !wire.IsType(header, "application/json") {
		return "", "", wire.Errorf(http.StatusUnsupportedMediaType, "bad_content_type", "Content-Type must be 'application/x-www-form-urlencoded' or 'application/json'")
	}
	sent, err := wire.TakeBody(w, r, min(wire.MaxOpenBody, wire.SettingsOf(r).MaxRequestSize), nil)
	if err != nil {
		return "", "", err
	}
	body := sent.Bytes()
	var given struct {
		Name     *string `json:"name"`
		Username *string `json:"username"`
		Password string  `json:"password"`
	}
	if form {
		fields, err := wire.ParseQuery(string(body))
		if err != nil {
			return "", "", err
		}
		for _, f := range fields.List {
			switch f.Name {
			case "name":
				given.Name = &f.Value
			case "username":
				given.Username = &f.Value
			case "password":
				given.Password = f.Value
			}
		}
	} else if err := json.Unmarshal(body, &given); err != nil {
		if _, wrong := errors.AsType[*json.UnmarshalTypeError](err); wrong {
			return "", "", wire.BadRequest("name and password must be strings in a JSON object")
		}
		return "", "", wire.ErrNotJSON
	}
	switch {
	case given.Name != nil:
		return *given.Name, given.Password, nil
	case given.Username != nil:
		return *given.Username, given.Password, nil
	}
	return "", "", wire.BadRequest("request body must contain a username")
}

// redirectTo reads the parameter that says where a browser should go afterwards. It must be a
// path of this server, so a login link cannot lead to another site.
func redirectTo(r *http.Request, query wire.Params, name string, otherwise int) (status int, location string, err error) {
	path, ok := query.Get(name)
	if !ok {
		return otherwise, "", nil
	}
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "\r\n") {
		return 0, "", wire.BadRequest("path must begin with a /.")
	}
	return http.StatusFound, wire.Absolute(r, path), nil
}
