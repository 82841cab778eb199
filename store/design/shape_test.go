package design

import (
	"errors"
	"testing"
)

func TestCheckShape(t *testing.T) {
	for body, want := range map[string]string{
		`{}`: "",
		`{"views":{}, "rewrites":[], "language":"javascript", "x":[1]}`:                       "",
		`{"views":{"v":{"map":"function(){}","reduce":"_sum"},"lib":{"m":"x"}}}`:              "",
		`{"views":{"v":{"map":"function(){}","reduce":"_top_100"}}}`:                          "",
		`{"views":{"v":{"map":"function(){}","reduce":"function(k,v){return 1}"}}}`:           "",
		`{"language":"query","views":{"i":{"map":{"fields":{"a":"asc"}},"reduce":"_count"}}}`: "",
		`{"views":{"i":{"map":{"fields":{}}}},"language":"query"}`:                            "",
		`{"rewrites":"function(r){}","filters":{"f":"function(){}"},"options":{"x":1}}`:       "",

		`{"views":[]}`:          "`views` field must have object type",
		`{"views":null}`:        "`views` field must have object type",
		`{"views":{"v":"x"}}`:   "`views.v` field must have object type",
		`{"views":{"lib":5}}`:   "`views.lib` field must have object type",
		`{"views":{"v":{}}}`:    "View `v` must contain map function",
		`{"language":5}`:        "`language` field must have string type",
		`{"filters":{"f":5}}`:   "`filters.f` field must have string or object type",
		`{"rewrites":5}`:        "`rewrites` field must have array or string type",
		`{"updates":{"u":[1]}}`: "`updates.u` field must have string or object type",

		`{"views":{"v":{"map":5}}}`:                             "`views.v.map` field must have string type",
		`{"views":{"v":{"map":{"fields":{}}}}}`:                 "`views.v.map` field must have string type",
		`{"language":"query","views":{"v":{"map":"function"}}}`: "`views.v.map` field must have object type",
		`{"views":{"v":{"map":"x","reduce":5}}}`:                "`views.v.reduce` field must have string type",
		`{"views":{"v":{"map":"x","reduce":"_nonsense"}}}`:      "`_nonsense` is not a supported reduce function.",
		`{"views":{"v":{"map":"x","reduce":"_top_101"}}}`:       "rank value must be between 1 and 100",
		`{"views":{"v":{"map":"x","reduce":"_bottom_1.5"}}}`:    "invalid rank reducer",
		`{"views":{"v":{"map":"x","reduce":"_counter"}}}`:       "",
		`{"views":{"v":{"map":"x","reduce":"_top_01"}}}`:        "",
		`{"options":{"local_seq":1}}`:                           "`options.local_seq` field must have boolean type",
		`{"options":{"changes":"yes"}}`:                         "`options.changes` field must have boolean type",
	} {
		err := CheckShape([]byte(body))
		if want == "" && err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if shape, ok := errors.AsType[*ShapeError](err); want != "" && (!ok || shape.Reason != want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}
