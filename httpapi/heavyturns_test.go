package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A selector with many conditions waits for its turn before its first page. One with few does not.
func TestHeavySelectorsTakeTurns(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	if w := call(s, "PUT", "/many", "", "Admin", ""); w.Code != 201 {
		t.Fatal(w.Code)
	}
	docs := make([]string, 500)
	conditions := make([]string, 2000)
	for i := range docs {
		docs[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	for i := range conditions {
		conditions[i] = fmt.Sprintf(`{"n":{"$lt":%d}}`, -i)
	}
	if w := call(s, "POST", "/many/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`, "Admin", ""); w.Code != 201 {
		t.Fatal(w.Code)
	}
	turns := s.Shared().Turns()
	var taken []func() // gives each back
	takeAll := func() {
		for turns.Free() > 0 {
			give, err := turns.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, give)
		}
	}
	heavy := `{"selector":{"$or":[` + strings.Join(conditions, ",") + `]}}`
	for path, body := range map[string]string{"/many/_find": heavy, "/many/_changes?filter=_selector": heavy} {
		takeAll() // also the ones that the query before has given back
		done := make(chan int)
		go func() { done <- call(s, "POST", path, body, "Admin", "").Code }()
		waited := 0
		for over := false; !over; {
			select {
			case code := <-done:
				if over = true; code != 200 {
					t.Errorf("%s: %d", path, code)
				}
			case <-time.After(time.Millisecond):
				if turns.Waiting() > 0 {
					taken[0]()
					taken = taken[1:]
					waited++
				}
				takeAll()
			}
		}
		if waited == 0 {
			t.Errorf("%s did not wait for a turn", path)
		}
	}
	takeAll()
	if w := call(s, "POST", "/many/_find", `{"selector":{"n":1}}`, "Admin", ""); w.Code != 200 {
		t.Errorf("a light query: %d", w.Code)
	}
}
