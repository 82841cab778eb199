package httpapi_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"testing"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/logging"
)

// Administrators see the end of the log, and everybody who may see figures the last hour.
func TestLogAndHistory(t *testing.T) {
	t.Parallel()
	tail, err := logging.Open(logging.Destination{Writer: "stderr"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	h, err := tail.Handler(func(w io.Writer) (slog.Handler, error) { return slog.NewTextHandler(w, nil), nil })
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	s := openServer(t, Options{Tail: tail})
	log.Info("first")
	log.Error("second")
	for _, c := range []struct {
		path string
		want []uint64
	}{
		{"_log?level=info", []uint64{1, 2}}, {"_log?level=error", []uint64{2}}, {"_log?lines=1", []uint64{2}}, {"_log?lines=0", nil}, {"_log?since=1", []uint64{2}}, {"_log?since=2", nil},
	} {
		var got struct {
			Lines []logging.Line
			Next  uint64
		}
		w := call(s, "GET", "/_node/_local/"+c.path, "", "Admin", "")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || len(got.Lines) != len(c.want) || got.Next != 2 {
			t.Errorf("%s: %d %s %v", c.path, w.Code, w.Body, err)
			continue
		}
		for i, n := range c.want {
			if got.Lines[i].Number != n {
				t.Errorf("%s: %s", c.path, w.Body)
			}
		}
	}
	for _, path := range []string{"_log?level=loud", "_log?lines=-1", "_log?since=x", "_history?since=x", "_history?since=NaN"} {
		if w := call(s, "GET", "/_node/_local/"+path, "", "Admin", ""); w.Code != 400 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := call(s, "GET", "/_node/_local/_history", "", "Admin", ""); w.Code != 200 || w.Body.String() != `{"interval":10,"points":[]}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, path := range []string{"_log", "_history", "_settings"} {
		if w := call(s, "GET", "/_node/_local/"+path, ""); w.Code != 401 {
			t.Errorf("%s by nobody: %d %s", path, w.Code, w.Body)
		}
	}
}

// The list of settings has what is set, what could be, and no secret.
func TestSettingsList(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "admins/admin", "secret", "chttpd_auth/secret", "very secret", "log/level", "error", "shop/open", "9-17")})
	w := call(s, "GET", "/_node/_local/_settings", "", "Admin", "")
	type setting struct {
		Section, Name, Value, Default, From, Want, Meaning string
		Known                                              bool
		Words, Traits                                      []string
	}
	var got struct{ Settings []setting }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d %s %v", w.Code, w.Body, err)
	}
	find := func(section, name string) (found setting) {
		for _, one := range got.Settings {
			if one.Section == section && one.Name == name {
				found = one
			}
		}
		return found
	}
	if one := find("log", "level"); one.Value != "error" || one.Default != "info" || one.From == "default" || !one.Known || one.Meaning == "" {
		t.Errorf("%+v", one)
	}
	if one := find("chttpd_auth", "secret"); one.Value != config.Mask || len(one.Traits) != 1 || one.Traits[0] != "secret" {
		t.Errorf("%+v", one)
	}
	if one := find("admins", "admin"); one.Value != config.Mask {
		t.Errorf("%+v", one)
	}
	if one := find("shop", "open"); one.Value != "9-17" || one.Known {
		t.Errorf("%+v", one)
	}
	if one := find("couchdb", "maintenance_mode"); one.Value != "false" || one.From != "default" || len(one.Words) != 3 {
		t.Errorf("%+v", one)
	}
	if one := find("cors", "origins"); one.Section == "" || one.Value != "" || one.Meaning == "" {
		t.Errorf("a setting without a value: %+v", one)
	}
	if one := find("feature_flags", "partitioned||*"); len(one.Traits) == 0 || one.Traits[0] != "file" {
		t.Errorf("one that files only can set: %+v", one)
	}
}
