package synchronize

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/tododb/tododb/replicate"
)

// Whatever is asked for, it is refused as a bad request, or it can be kept and run.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{
		`{"remote":"http://a:b@h/db"}`, `{"remote":{"url":"http://h/db","headers":{"X":"y"}},"direction":"pull","continuous":true}`,
		`{"remote":"x","schedule":{"every":5},"doc_ids":["a"]}`, `{"remote":"x","selector":{"a":1},"paused":true}`,
		`{"remote":"x","filter":"d/f","query_params":{"a":"b"},"state":"running"}`, `{"remote":null,"schedule":null}`, `[]`, `{"remote":7}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		d := definition{DB: "db"}
		var err error
		if d.settings, err = readSettings(request, settings{}); err == nil {
			_, err = d.remote()
		}
		if err != nil {
			_, bad := errors.AsType[*replicate.BadRequest](err)
			_, end := errors.AsType[*replicate.BadEndpoint](err)
			if !bad && !end {
				t.Fatalf("%q: %v", request, err)
			}
			return
		}
		raw, err := json.Marshal(&d)
		if err != nil {
			t.Fatal(err)
		}
		var again definition
		if err := json.Unmarshal(raw, &again); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		for _, direction := range d.directions() {
			was, err := d.spec(direction)
			if err != nil {
				t.Fatal(err)
			}
			is, err := again.spec(direction)
			if err != nil || was.JobID("s") != is.JobID("s") {
				t.Fatalf("%s: another replication after it was kept: %v", raw, err)
			}
		}
		if _, err := readSettings([]byte(`{}`), d.settings); err != nil {
			t.Fatalf("%s cannot be changed: %v", raw, err)
		}
	})
}

// What could never be asked is refused when it comes.
func TestRemotesThatCannotBeAsked(t *testing.T) {
	for _, request := range []string{
		`{"remote":{"url":"http://h/db","headers":{"X":"a\r\nY: b"}}}`, `{"remote":{"url":"http://h/db","headers":{"a b":"c"}}}`, `{"remote":"http://:1/db"}`,
		`{"remote":"http://h/db","selector":{"$no":1}}`,
	} {
		d := definition{DB: "db"}
		var err error
		if d.settings, err = readSettings([]byte(request), settings{}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.remote(); err == nil {
			t.Errorf("%s is taken", request)
		}
	}
}

// A schedule for hardly ever is not one without pauses.
func TestSchedulesOfLongPauses(t *testing.T) {
	for every, want := range map[string]time.Duration{"60": time.Minute, "9999999999": math.MaxInt32 * time.Second, "9223372036854775807": math.MaxInt32 * time.Second} {
		s, err := readSettings([]byte(`{"remote":"x","schedule":{"every":`+every+`}}`), settings{})
		if err != nil || s.Schedule.pause() != want {
			t.Errorf("every %s s: %v, %v", every, s.Schedule.pause(), err)
		}
	}
}
