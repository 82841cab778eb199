package operate

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

var errNoSetting = wire.Errorf(http.StatusNotFound, "not_found", "unknown_config_value")

// errBlacklisted is the answer to a change of a section in blacklist.
var errBlacklisted = wire.Errorf(http.StatusForbidden, "forbidden", "Config section blacklisted for modification over HTTP API.")

// errNotListed is the answer to a change of a setting that config_whitelist does not have.
var errNotListed = wire.Errorf(http.StatusBadRequest, "modification_not_allowed", "This config variable is read-only")

// blacklist has the sections that cannot be changed over HTTP, as in CouchDB.
var blacklist = []string{
	"daemons", "external", "feature_flags", "httpd_db_handlers", "httpd_design_handlers", "httpd_global_handlers",
	"native_query_servers", "os_daemons", "query_servers",
}

func isBlacklisted(section string) bool { return slices.Contains(blacklist, section) }

// ConfigAll answers GET _config with what is set, by section. All values are strings. The
// sections in which the server knows settings are there even if they are empty, so that
// set-up programs can look into them.
func (o *Room) ConfigAll(w http.ResponseWriter, r *http.Request) error {
	given := map[string][]config.Shown{}
	for _, section := range config.Sections() {
		given[section] = nil
	}
	for _, one := range o.config.Show("") {
		if one.Given() {
			given[one.Name.Section] = append(given[one.Name.Section], one)
		}
	}
	b := []byte{'{'}
	for i, section := range slices.Sorted(maps.Keys(given)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSection(append(wire.AppendString(b, section), ':'), given[section])
	}
	return wire.WriteJSON(w, r, http.StatusOK, append(b, '}'))
}

// ConfigSection answers GET _config/section. One that does not exist is empty.
func (o *Room) ConfigSection(w http.ResponseWriter, r *http.Request) error {
	section, err := wire.Segment(r, "section")
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(o.config.Show(section), func(one config.Shown) bool { return !one.Given() })
	return wire.WriteJSON(w, r, http.StatusOK, appendSection(nil, list))
}

func appendSection(b []byte, list []config.Shown) []byte {
	b = append(b, '{')
	for i, one := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(append(wire.AppendString(b, one.Name.Name), ':'), one.Value)
	}
	return append(b, '}')
}

// settingName is the setting that the path names.
func settingName(r *http.Request) (config.Name, error) {
	section, err := wire.Segment(r, "section")
	if err != nil {
		return config.Name{}, err
	}
	name, err := wire.Segment(r, "key")
	return config.Name{Section: section, Name: name}, err
}

// ConfigValue answers GET _config/section/key.
func (o *Room) ConfigValue(w http.ResponseWriter, r *http.Request) error {
	name, err := settingName(r)
	if err != nil {
		return err
	}
	one, ok := o.config.ShowOne(name)
	if !ok || !one.Given() {
		return errNoSetting
	}
	return wire.WriteJSON(w, r, http.StatusOK, wire.AppendString(nil, one.Value))
}

// NoConfig answers paths that lead below a setting.
func (o *Room) NoConfig(http.ResponseWriter, *http.Request) error { return store.ErrMissing }

// SetConfigValue answers PUT _config/section/key with the value that was set, "" if none was.
func (o *Room) SetConfigValue(w http.ResponseWriter, r *http.Request) error {
	name, err := settingName(r)
	if err != nil {
		return err
	}
	if err := o.mayChange(name); err != nil {
		return err
	}
	value, err := o.configBody(w, r)
	if err != nil {
		return err
	}
	old, err := o.putSetting(name, value, persists(r))
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, wire.AppendString(nil, old))
}

// putSetting changes a setting and returns the value that was set, masked if it is a secret.
// The password of an administrator is kept as its hash.
func (o *Room) putSetting(name config.Name, value string, persist bool) (old string, err error) {
	before, had := o.config.ShowOne(name)
	if had && before.Is(config.Secret) && value == config.Mask {
		return "", wire.BadRequest("%s is what secrets are shown as and cannot be a value", config.Mask)
	}
	if name.Section == "admins" {
		if err := auth.CheckName(name.Name); err != nil {
			return "", wire.BadRequest("%s", err)
		}
		if value, err = o.adminHash(value); err != nil {
			return "", err
		}
	}
	if err := o.access.CheckSetting(name, value); err != nil {
		return "", err
	}
	old, err = o.config.Put(name, value, persist)
	for errors.Is(err, syscall.EMFILE) && o.store.MakeRoom() {
		old, err = o.config.Put(name, value, persist)
	}
	if err != nil {
		return "", settingError(err)
	}
	if had && before.Is(config.Secret) {
		old = before.Value
	}
	return old, nil
}

// mayChange refuses settings that cannot be changed over HTTP.
func (o *Room) mayChange(name config.Name) error {
	if isBlacklisted(name.Section) {
		return errBlacklisted
	}
	if only := o.config.Terms("chttpd", "config_whitelist"); len(only) > 0 && !slices.ContainsFunc(only, func(one []string) bool {
		return slices.Equal(one, []string{name.Section, name.Name})
	}) {
		return errNotListed
	}
	if one, _ := o.config.ShowOne(name); one.Is(config.Filed) {
		return wire.Errorf(http.StatusForbidden, "forbidden", "%s is set in the server's files and not over HTTP", name)
	}
	return nil
}

// adminHash turns a password into the hash that [admins] keeps. A hash stays as it is.
func (o *Room) adminHash(password string) (string, error) {
	if password == "" {
		return "", wire.BadRequest("the password of an administrator cannot be empty")
	}
	if !auth.IsHash(password) {
		return auth.Hash(password, access.Hashing(o.config))
	}
	if _, err := auth.ParsePassword(password); err != nil {
		return "", wire.BadRequest("%s", err)
	}
	return password, nil
}

// DeleteConfigValue answers DELETE _config/section/key with the value that was set.
func (o *Room) DeleteConfigValue(w http.ResponseWriter, r *http.Request) error {
	name, err := settingName(r)
	if err != nil {
		return err
	}
	if err := o.mayChange(name); err != nil {
		return err
	}
	before, _ := o.config.ShowOne(name)
	if admins := o.config.Section("admins"); name.Section == "admins" && len(admins) == 1 {
		if _, last := admins[name.Name]; last {
			return wire.BadRequest("%s is the only administrator", name.Name)
		}
	}
	_, found, err := o.config.Delete(name, persists(r))
	for errors.Is(err, syscall.EMFILE) && o.store.MakeRoom() {
		_, found, err = o.config.Delete(name, persists(r))
	}
	if err != nil {
		return settingError(err)
	}
	if !found {
		return errNoSetting
	}
	return wire.WriteJSON(w, r, http.StatusOK, wire.AppendString(nil, before.Value))
}

// ReloadConfig answers POST _config/_reload: the files are read again.
func (o *Room) ReloadConfig(w http.ResponseWriter, r *http.Request) error {
	if err := o.reload(); err != nil {
		return settingError(err)
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"ok":true}`))
}

// persists tells whether a change should survive a restart.
func persists(r *http.Request) bool { return r.Header.Get("X-Couch-Persist") != "false" }

// configBody reads the value of a setting, a string in JSON, or as it is with raw=true.
func (o *Room) configBody(w http.ResponseWriter, r *http.Request) (string, error) {
	query, err := wire.QueryOf(r)
	if err != nil {
		return "", err
	}
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return "", err
	}
	if query.Is("raw") {
		return strings.TrimSpace(string(body)), nil
	}
	raw, err := jsonscan.Trim(body)
	if err != nil {
		return "", wire.ErrNotJSON
	}
	text, err := jsonscan.Text(raw)
	if err != nil {
		return "", wire.BadRequest("the value of a setting is a JSON string, such as \"true\" or \"5984\"")
	}
	return strings.TrimSpace(text), nil
}

// settingError answers a setting that cannot exist, and a value that it cannot have.
func settingError(err error) error {
	if e, ok := errors.AsType[*config.FormError](err); ok {
		return wire.BadRequest("%s", e)
	}
	if e, ok := errors.AsType[*config.ValueError](err); ok {
		return wire.BadRequest("%s", e)
	}
	if e, ok := errors.AsType[*config.RoomError](err); ok {
		return wire.Errorf(http.StatusRequestEntityTooLarge, "too_large", "%s", e)
	}
	return err
}
