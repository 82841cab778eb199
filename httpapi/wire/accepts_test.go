package wire

import (
	"net/http/httptest"
	"testing"
)

func TestWhatAClientAccepts(t *testing.T) {
	for _, c := range []struct {
		header string
		want   bool
	}{
		{"", false}, {"gzip", true}, {"GZIP", true}, {"br, gzip", true}, {" gzip ;q=0.5 , br", true}, {"gzip;q=0", false},
		{"gzip; q=0.000", false}, {"gzip;q=0.001", true}, {"gzip;q=1", true}, {"xgzip", false}, {"gzipx", false}, {"*", false}, {"br", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", c.header)
		if got := AcceptsCoding(r, "gzip"); got != c.want {
			t.Errorf("%q: %t", c.header, got)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Add("Accept", "text/html, application/gzip;q=0.9")
	r.Header.Add("Accept", "*/*")
	if !AcceptsType(r, "application/gzip") || AcceptsType(r, "application/zstd") {
		t.Error("a type is taken for another, or not found")
	}
}
