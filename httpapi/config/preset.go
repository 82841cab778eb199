package config

import (
	"slices"
)

// Presets are the words that [tododb] preset can have: each is a kind of client, and names
// settings that such clients need.
var Presets = []string{"pouchdb", "obsidian", "rxdb"}

var presetSetting = Name{"tododb", "preset"}

// Origins of pages that are being written on the same machine, and of apps that bring their own
// pages along. None of them is a page of somebody else's.
const (
	devOrigins = "http://localhost,https://localhost,http://localhost:3000,http://localhost:4200,http://localhost:5173,http://localhost:8080,http://localhost:8100," +
		"http://127.0.0.1:3000,http://127.0.0.1:4200,http://127.0.0.1:5173,http://127.0.0.1:8080,capacitor://localhost,ionic://localhost"
	obsidianOrigins = "app://obsidian.md,capacitor://localhost,http://localhost"
)

type presetValue struct {
	Name
	value string
}

var presets = map[string][]presetValue{
	"pouchdb": {
		{Name{"chttpd", "enable_cors"}, "true"},
		{Name{"cors", "origins"}, devOrigins},
		{Name{"cors", "credentials"}, "true"}, // PouchDB asks for it with every request
	},
	"rxdb": {
		{Name{"chttpd", "enable_cors"}, "true"},
		{Name{"cors", "origins"}, devOrigins},
		{Name{"cors", "credentials"}, "true"},
	},
	// LiveSync looks whether each of these is set, and asks for it to be set otherwise. So the ones
	// that have such a default are here too.
	"obsidian": {
		{Name{"chttpd", "require_valid_user"}, "true"},
		{Name{"chttpd", "require_valid_user_except_for_up"}, "true"}, // or nothing could look after the server
		{Name{"httpd", "WWW-Authenticate"}, `Basic realm="couchdb"`},
		{Name{"chttpd", "enable_cors"}, "true"},
		{Name{"chttpd", "max_http_request_size"}, "4294967296"},
		{Name{"couchdb", "max_document_size"}, "50000000"},
		{Name{"cors", "origins"}, obsidianOrigins},
		{Name{"cors", "credentials"}, "true"},
	},
}

// letIn is what the pages need that a command line or the environment names as origins, whatever
// clients they have.
var letIn = []presetValue{
	{Name{"chttpd", "enable_cors"}, "true"},
	{Name{"cors", "credentials"}, "true"},
}

// addPreset adds what the preset says that v names, and what goes with origins. Whatever anybody has
// set stays.
func (v values) addPreset() {
	v.addWhereFree(presets[v[presetSetting].text], OfPreset)
	// In a file, CORS is as in CouchDB: off until it is turned on.
	if origins := v[Name{"cors", "origins"}]; origins.text != "" && (origins.from == OfEnvironment || origins.from == OfFlag) {
		v.addWhereFree(letIn, origins.from)
	}
}

func (v values) addWhereFree(some []presetValue, from Origin) {
	var add []presetValue
	for _, p := range some {
		if !v.decides(p.Name) {
			add = append(add, p)
		}
	}
	for _, p := range add {
		v[p.Name] = entry{p.value, from}
	}
}

// decides tells whether somebody has decided what a setting of a preset is about.
func (v values) decides(n Name) bool {
	same := []Name{n}
	switch n {
	case Name{"chttpd", "require_valid_user"}, Name{"chttpd", "require_valid_user_except_for_up"}: // any is enough
		for _, section := range []string{"chttpd", "chttpd_auth", "couch_httpd_auth"} {
			same = append(same, Name{section, "require_valid_user"})
		}
		same = append(same, Name{"chttpd", "require_valid_user_except_for_up"})
	case Name{"cors", "credentials"}:
		// Every page with the rights of whoever looks at it: that is for the operator to say.
		if slices.Contains(splitList(v[Name{"cors", "origins"}].text), "*") {
			return true
		}
	}
	if older := olderSection[n.Section]; older != "" {
		same = append(same, Name{older, n.Name})
	}
	for newer, older := range olderSection {
		if older == n.Section {
			same = append(same, Name{newer, n.Name})
		}
	}
	return slices.ContainsFunc(same, func(s Name) bool { _, set := v[s]; return set })
}

// Preset is the preset that the server has; "" for none.
func (c *Config) Preset() string { return c.String(presetSetting.Section, presetSetting.Name) }
