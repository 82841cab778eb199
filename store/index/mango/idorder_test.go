package mango

import (
	"fmt"
	"slices"
	"testing"
)

// Ids compare by their bytes, while the rows of an index are in Unicode's order. Whatever index there is, and
// however the field is written, a query finds the same documents.
func TestOrderOfIDs(t *testing.T) {
	for _, name := range []string{"_id", `\\_id`} {
		for _, indexed := range []bool{false, true} {
			w := newWorld(t)
			db := w.create(t)
			defer db.Release()
			if indexed {
				putIndex(t, db, "ids", fmt.Sprintf(`{"fields":["%s"]}`, name))
			}
			for _, id := range []string{"A", "B", "Z", "a", "b", "z"} {
				put(t, db, fmt.Sprintf(`{"_id":%q}`, id))
			}
			for condition, want := range map[string][]string{
				`{"$gte":"B","$lte":"a"}`: {`{"_id":"B"}`, `{"_id":"Z"}`, `{"_id":"a"}`},
				`{"$gt":"Z","$lt":"b"}`:   {`{"_id":"a"}`},
				`{"$gt":"B"}`:             {`{"_id":"Z"}`, `{"_id":"a"}`, `{"_id":"b"}`, `{"_id":"z"}`},
				`{"$gte":"a","$lt":"Z"}`:  nil,
			} {
				got, plan := w.find(t, db, fmt.Sprintf(`{"selector":{"%s":%s},"fields":["_id"]}`, name, condition), 0, nil)
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("%s of %s by %s: %v, want %v", condition, name, plan.Index.Name, got, want)
				}
			}
		}
	}
}
