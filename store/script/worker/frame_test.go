package worker

import (
	"bytes"
	"io"
	"reflect"
	"testing"
	"testing/iotest"

	"github.com/tododb/tododb/store/script"
)

// What is sent arrives, however the pipe cuts it.
func TestMessagesArrive(t *testing.T) {
	e := &script.Error{Kind: script.Forbidden, Word: "forbidden", Reason: "é", Value: []byte(`{"a":1}`), Fatal: true}
	resp := script.Response{Code: 201, Headers: []script.Header{{Name: "A", Value: ""}}, Body: []byte{}, Type: "x", NoBody: true}
	views := []script.ViewFunctions{{Name: "a", Map: "m", Reduce: "r", Raw: true}, {}}
	all := []script.Reduction{{Parts: [][]byte{nil, []byte("3")}, Runs: []script.Rows{{Keys: []script.ReduceKey{{Key: []byte("1"), ID: "x"}}, Values: [][]byte{[]byte("2")}}}, Final: true}, {}}
	b := appendFrame(nil, failure)
	b = appendReductions(appendViews(appendResponse(appendError(b, e), &resp), views, nil), 3, all)
	b = appendReduced(appendReduced(appendOptional(b, nil), script.Reduced{Err: e}), script.Reduced{Value: []byte("7")})
	if err := endFrame(b, 0); err != nil {
		t.Fatal(err)
	}
	b = append(b, b...)
	for _, r := range []io.Reader{bytes.NewReader(b), iotest.OneByteReader(bytes.NewReader(b))} {
		in := frameReader{r: r}
		for range 2 {
			kind, got, err := in.next()
			if err != nil || kind != failure {
				t.Fatal(kind, err)
			}
			f := fields{b: got}
			if g := f.error(); !reflect.DeepEqual(g, e) {
				t.Errorf("%+v", g)
			}
			if g := f.response(); !reflect.DeepEqual(g, resp) {
				t.Errorf("%+v", g)
			}
			if g, lib := f.views(); !reflect.DeepEqual(g, views) || lib != nil {
				t.Errorf("%+v %q", g, lib)
			}
			if view, g := f.reductions(); view != 3 || !reflect.DeepEqual(g, all) {
				t.Errorf("%d %+v", view, g)
			}
			if f.bytes() != nil || !reflect.DeepEqual(f.reduced(), script.Reduced{Err: e}) || string(f.reduced().Value) != "7" {
				t.Error("what was reduced")
			}
			if err := f.end(); err != nil {
				t.Error(err)
			}
		}
		if _, _, err := in.next(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}

// Whatever comes is read without harm: a length that promises much takes no memory.
func FuzzFrames(f *testing.F) {
	b := appendResponse(appendFrame(nil, result), &script.Response{Headers: []script.Header{{Name: "A", Value: "b"}}})
	_ = endFrame(b, 0)
	f.Add(b)
	f.Add([]byte{0xff, 0xff, 0xff, 0x0f, mapped, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		in := frameReader{r: bytes.NewReader(b)}
		for {
			_, got, err := in.next()
			if err != nil {
				break
			}
			for _, read := range []func(f *fields){
				func(f *fields) { f.error() },
				func(f *fields) { f.response() },
				func(f *fields) { f.views() },
				func(f *fields) { f.reductions() },
				func(f *fields) { f.reduced() },
				func(f *fields) { f.list() },
			} {
				fs := fields{b: got}
				read(&fs)
				_ = fs.end()
			}
		}
		if len(in.buf) > readAtLeast+4*len(b) {
			t.Errorf("%d bytes make it keep %d", len(b), len(in.buf))
		}
	})
}
