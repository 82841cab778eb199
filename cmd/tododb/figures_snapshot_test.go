package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"
)

// TestFiguresSnapshot prints what a first copy costs the server. For the first device the file is
// built, later ones get it, and after changes it is extended. It runs if TODODB_TEST_FIGURES is
// set.
func TestFiguresSnapshot(t *testing.T) {
	if os.Getenv("TODODB_TEST_FIGURES") == "" {
		t.Skip("TODODB_TEST_FIGURES is not set")
	}
	f := figures{t: t, client: &http.Client{Transport: &http.Transport{DisableCompression: true}}}
	f.server = startServer(t, t.TempDir(), "", "--log-level", "warning")
	f.server.do(201, "PUT", "/figures", "")
	f.bulk()
	get := func(coding string) (bytes int, took time.Duration) {
		t.Helper()
		request := f.server.request("GET", "/figures/_snapshot", "")
		request.Header.Set("Accept-Encoding", coding)
		began := time.Now()
		answer, err := f.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		n, err := io.Copy(io.Discard, answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status, err)
		}
		return int(n), time.Since(began)
	}
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		bytes, built := get(coding)
		_, again := get(coding)
		f.server.do(201, "PUT", "/figures/changed-"+coding, "{}")
		_, added := get(coding)
		fmt.Printf("_snapshot of %d documents, %-8s %10d bytes  first %7.0f ms (%.0f documents/s)  again %5.0f ms  after a change %5.0f ms\n",
			figureDocs, coding, bytes, ms(built), figureDocs/built.Seconds(), ms(again), ms(added))
	}
	memory := privateMemory(t, f.server) >> 20
	fmt.Printf("%-38s %10d MiB\n", "private memory after all that", memory)
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
