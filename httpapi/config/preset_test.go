package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tododb/tododb/httpapi/config"
)

// What anybody has set stays, wherever and under whichever of its names.
func TestPresetsGiveWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file, local string
		flags             map[config.Name]string
		want              map[config.Name]string
	}{
		{"nobody sets anything", "", "", nil, map[config.Name]string{
			{Section: "chttpd", Name: "require_valid_user"}: "true", {Section: "couchdb", Name: "max_document_size"}: "50000000", {Section: "cors", Name: "credentials"}: "true",
			{Section: "cors", Name: "origins"}: "app://obsidian.md,capacitor://localhost,http://localhost", {Section: "httpd", Name: "WWW-Authenticate"}: `Basic realm="couchdb"`,
		}},
		{"the operator's file", "[couchdb]\nmax_document_size = 7\n[cors]\norigins = https://notes.example\n", "", nil, map[config.Name]string{
			{Section: "couchdb", Name: "max_document_size"}: "7", {Section: "cors", Name: "origins"}: "https://notes.example", {Section: "cors", Name: "credentials"}: "true",
		}},
		{"the server's own file", "", "[chttpd]\nrequire_valid_user = false\n", nil, map[config.Name]string{{Section: "chttpd", Name: "require_valid_user"}: "false"}},
		{"a flag", "", "", map[config.Name]string{{Section: "cors", Name: "credentials"}: "false"}, map[config.Name]string{{Section: "cors", Name: "credentials"}: "false"}},
		{"the other section for valid users", "[chttpd_auth]\nrequire_valid_user = false\n", "", nil, map[config.Name]string{{Section: "chttpd", Name: "require_valid_user"}: "false"}},
		{"only one of two settings for valid users", "[chttpd]\nrequire_valid_user = false\n", "", nil, map[config.Name]string{{Section: "chttpd", Name: "require_valid_user_except_for_up"}: "false"}},
		{"the other one", "[chttpd]\nrequire_valid_user_except_for_up = false\n", "", nil, map[config.Name]string{{Section: "chttpd", Name: "require_valid_user"}: "false"}},
		{"its older section", "[couch_httpd_auth]\nrequire_valid_user = false\n", "", nil, map[config.Name]string{{Section: "chttpd", Name: "require_valid_user"}: "false"}},
		{"an older section", "[httpd]\nenable_cors = false\n", "", nil, map[config.Name]string{{Section: "chttpd", Name: "enable_cors"}: "false"}},
		{"a newer section", "[chttpd]\nWWW-Authenticate = Basic\n", "", nil, map[config.Name]string{{Section: "chttpd", Name: "WWW-Authenticate"}: "Basic"}},
		{"every origin there is", "[cors]\norigins = *\n", "", nil, map[config.Name]string{{Section: "cors", Name: "credentials"}: "false"}},
		{"no preset", "[tododb]\npreset =\n", "", map[config.Name]string{{Section: "tododb", Name: "preset"}: ""}, map[config.Name]string{{Section: "cors", Name: "credentials"}: "false"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, local := filepath.Join(dir, "tododb.ini"), filepath.Join(dir, "local.ini")
			if err := os.WriteFile(file, []byte("[tododb]\npreset = obsidian\n"+c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(local, []byte(c.local), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Open(config.Options{File: file, Local: local, Flags: c.flags})
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range c.want {
				if got, ok := cfg.ShowOne(name); (!ok || got.Value != want) && cfg.String(name.Section, name.Name) != want {
					t.Errorf("%s is %q, %q; want %q", name, got.Value, cfg.String(name.Section, name.Name), want)
				}
			}
		})
	}
}

// Whoever names origins where the server is started wants their pages to work: PouchDB's too, which sends
// credentials. A file turns CORS on by a line of its own, as in CouchDB.
func TestNamedOriginsAreLetIn(t *testing.T) {
	t.Parallel()
	enabled, credentials, origins := config.Name{Section: "chttpd", Name: "enable_cors"}, config.Name{Section: "cors", Name: "credentials"}, config.Name{Section: "cors", Name: "origins"}
	type named map[config.Name]string
	for name, c := range map[string]struct {
		file         string
		flags, env   named
		cors, secret string
	}{
		"a flag":                        {"", named{origins: "https://a.example"}, nil, "true", "true"},
		"the environment":               {"", nil, named{origins: "https://a.example"}, "true", "true"},
		"every origin":                  {"", named{origins: "*"}, nil, "true", "false"},
		"none":                          {"", named{origins: ""}, nil, "false", "false"},
		"a file":                        {"[cors]\norigins = https://a.example\n", nil, nil, "false", "false"},
		"a flag, and a file says off":   {"[chttpd]\nenable_cors = false\n", named{origins: "https://a.example"}, nil, "false", "true"},
		"a flag, and no credentials":    {"[cors]\ncredentials = false\n", named{origins: "https://a.example"}, nil, "true", "false"},
		"a flag, with a preset as well": {"[tododb]\npreset = pouchdb\n", named{origins: "https://a.example"}, nil, "true", "true"},
	} {
		file := filepath.Join(t.TempDir(), "tododb.ini")
		if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Open(config.Options{File: file, Flags: c.flags, Environment: c.env})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := cfg.ShowOne(enabled)
		secret, _ := cfg.ShowOne(credentials)
		if got.Value != c.cors || secret.Value != c.secret {
			t.Errorf("%s: enable_cors %s, credentials %s", name, got.Value, secret.Value)
		}
	}
}

// A setting of a preset can be changed like any other, and its own file does not have it.
func TestPresetsAreNotKept(t *testing.T) {
	t.Parallel()
	local := filepath.Join(t.TempDir(), "local.ini")
	cfg, err := config.Open(config.Options{Local: local, Flags: map[config.Name]string{{Section: "tododb", Name: "preset"}: "pouchdb"}})
	if err != nil {
		t.Fatal(err)
	}
	one, ok := cfg.ShowOne(config.Name{Section: "cors", Name: "origins"})
	if !ok || one.From.String() != "preset" || !one.Given() {
		t.Errorf("%+v", one)
	}
	if _, err := os.Stat(local); !os.IsNotExist(err) {
		t.Errorf("reading wrote a file: %v", err)
	}
	if err := cfg.Set("cors", "origins", "https://a.example"); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Reload(); err != nil || cfg.String("cors", "origins") != "https://a.example" {
		t.Errorf("%v, %s", err, cfg.String("cors", "origins"))
	}
	if _, _, err := cfg.Delete(config.Name{Section: "cors", Name: "origins"}, true); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Reload(); err != nil || cfg.String("cors", "origins") == "" {
		t.Errorf("after it was deleted: %v, %q", err, cfg.String("cors", "origins"))
	}
	if !config.Takes(config.Name{Section: "tododb", Name: "preset"}, "") || config.Takes(config.Name{Section: "tododb", Name: "preset"}, "couchdb") {
		t.Error("a preset is one of those there are, or none")
	}
}
