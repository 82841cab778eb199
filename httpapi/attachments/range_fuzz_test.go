package attachments

import "testing"

func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=-1", "bytes=5-", "bytes=0-1,3-4", "bytes=9-1", "bytes=", "x", "bytes=-0", "bytes=--1", "bytes=99999999999999999999-"} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		spans, err := parseRange(header, size)
		if err != nil {
			return
		}
		for _, sp := range spans {
			if sp.from < 0 || sp.length < 1 || sp.from+sp.length > size {
				t.Errorf("%q of %d bytes: %+v", header, size, sp)
			}
		}
	})
}
