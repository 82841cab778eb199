package document

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// However JSON is cut into pieces, a document's measure is its JSON without white space
// and without the bytes of attachments.
func TestMeter(t *testing.T) {
	data := strings.Repeat("QUJD", 50)
	docs := []string{`{}`, `{"_id":"a","v":"x\"y\\"}`, `{ "v" : [ {"data":"` + data + `"} ] }`, `{"_attachments":{"f":{"data":"` + data + `","content_type":"a"},"data":{"stub":true}},"z":1}`,
		`{"a":{"_attachments":{"f":{"data":"` + data + `"}}}}`}
	size := func(doc string) int64 {
		doc = strings.ReplaceAll(doc, " ", "")
		if strings.HasPrefix(doc, `{"_attachments"`) {
			doc = strings.ReplaceAll(doc, data, "")
		}
		return int64(len(doc))
	}
	rapid.Check(t, func(t *rapid.T) {
		want := Measure{}
		var list []string
		bulk := rapid.Bool().Draw(t, "bulk")
		for n := rapid.IntRange(0, 5).Draw(t, "docs"); len(list) < n; {
			doc := rapid.SampledFrom(docs).Draw(t, "doc")
			list = append(list, doc)
		}
		text := fmt.Sprintf(`{"x":{"docs":[{}]},"docs":[%s],"new_edits":true}`, strings.Join(list, " , "))
		if !bulk {
			list = append(list[:0], rapid.SampledFrom(docs).Draw(t, "doc"))
			text = list[0]
		}
		for _, doc := range list {
			want.Docs++
			want.Total += size(doc)
			want.Largest = max(want.Largest, size(doc))
		}
		m := meterOf(bulk, Options{})
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if err := m.Add([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		got := m.Measure()
		// Quotes and commas around special members may go either way.
		if got.Docs != want.Docs || got.Total < want.Total-2*int64(want.Docs) || got.Total > want.Total {
			t.Errorf("%.300s: %+v, want %+v", text, got, want)
		}
	})
}

// A document that is too large is known as soon as it is, and only then.
func TestMeterStops(t *testing.T) {
	const limit = 1 << 20
	piece := strings.Repeat("x", 1000)
	for open, fits := range map[string]bool{`{"v":"`: false, `{"_id":"`: false, `{"_attachments":{"f":{"data":"`: true, `{"_attachments":{"f":{"content_type":"`: false, `{"_attachments":{"f":{"x":{"data":"`: false,
		`{"_attachments":{"`: false, `{"_revisions":{"ids":["`: false, `{"a":"","_attachments":{"f":{"a":1,"data":"`: true} {
		for _, bulk := range []bool{false, true} {
			m := meterOf(bulk, Options{MaxSize: limit})
			if bulk {
				open = `{"docs":[{},` + open
			}
			err := m.Add([]byte(open))
			n := 0
			for ; err == nil && n < 10<<20; n += len(piece) {
				err = m.Add([]byte(piece))
			}
			if fits != (err == nil) || !fits && (n < limit || n > limit+2*meterSlack) {
				t.Errorf("%s…: %v after %d bytes", open, err, n)
			}
		}
	}
}

// What is to be read counts, however it is written and also where its end is missing.
func TestMeterCountsAll(t *testing.T) {
	doc := `{"v":"` + strings.Repeat("x", 1000) + `"}`
	for _, text := range []string{
		`{"docs":[` + doc + `]}`, `{"docs":[` + doc, `{"docs":[` + doc[:len(doc)-2], `{"doc\u0073":[` + doc + `]}`,
		`{"\u0064\u006f\u0063\u0073":[` + doc + `]}`, `{"\u0064\u006F\u0063\u0073x":0,"d\u006Fcs":[` + doc + `]}`,
	} {
		m := NewBulkMeter(Options{})
		if err := m.Add([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := m.Measure(); got.Docs != 1 || got.Largest < 1000 || got.Total != got.Largest {
			t.Errorf("%.40s…: %+v", text, got)
		}
	}
	m := NewBulkMeter(Options{})
	if _ = m.Add([]byte(`{"\u0064\u006f\u0063\u0073x":[` + doc + `]}`)); m.Measure().Docs != 0 {
		t.Error("another member was taken for the documents")
	}
}

func meterOf(bulk bool, opt Options) *Meter {
	if bulk {
		return NewBulkMeter(opt)
	}
	return NewMeter(opt)
}
