package design

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tododb/tododb/store/script"
)

func TestWhatIsInADesignDocument(t *testing.T) {
	d := Parse("_design/d", []byte(`{"_id":"_design/d","language":"javascript","options":{"local_seq":true,"include_design":1},
		"views":{"b":{"map":"m","reduce":"_sum","options":{"collation":"raw"}},"lib":{"x":"y"},"a":{"map":"n"},"none":{"reduce":"r"}},
		"filters":{"f":"function(){}"},"shows":5,"validate_doc_update":"function(){}","rewrites":[]}`))
	if got := fmt.Sprintf("%s %v %v %v %s", d.Language, d.LocalSeq, d.IncludeDesign, d.Validates(), d.Lib); got != `javascript true false true {"x":"y"}` {
		t.Error(got)
	}
	views := ""
	for _, v := range d.Views {
		views += fmt.Sprintf("%s %s %s %v %s; ", v.Name, v.Map, v.Reduce, v.Raw, v.Options)
	}
	if views != `a "n"  false ; b "m" _sum true {"collation":"raw"}; ` {
		t.Error(views)
	}
	if string(d.Rewrites) != "[]" {
		t.Errorf("%s", d.Rewrites)
	}
	if n, err := d.View("b"); n != 1 || err != nil {
		t.Error(n, err)
	}
	if _, err := d.View("none"); !errors.Is(err, ErrNoView) {
		t.Error(err)
	}
	for _, c := range []struct{ group, name, missing string }{
		{"filters", "f", ""}, {"filters", "g", "g"}, {"shows", "s", "s"}, {"updates", "u", "updates"},
	} {
		_, err := d.Find(c.group, c.name)
		e, _ := errors.AsType[*script.Error](err)
		if (err == nil) != (c.missing == "") || e != nil && (e.Kind != script.Missing || e.Reason != "missing json key: "+c.missing) {
			t.Errorf("%s/%s: %v", c.group, c.name, err)
		}
	}
}

// What is no design document, or whose members are of other types, has nothing in it.
func TestNothingInADesignDocument(t *testing.T) {
	for _, body := range []string{"", "[]", `{"views":`, `{"views":[],"filters":"x","options":3,"language":4}`} {
		d := Parse("_design/d", []byte(body))
		if _, err := d.Find("filters", "f"); err == nil || d.Language != "javascript" || len(d.Views) > 0 || d.Validates() || len(d.Body) == 0 {
			t.Errorf("%q: %+v", body, d)
		}
	}
}

func TestOnce(t *testing.T) {
	d := Parse("_design/d", []byte("{}"))
	n := 0
	for range 3 {
		if got := d.Once("a", func() any { n++; return n }); got != 1 {
			t.Error(got)
		}
	}
	if got := d.Once("b", func() any { return "other" }); got != "other" {
		t.Error(got)
	}
}
