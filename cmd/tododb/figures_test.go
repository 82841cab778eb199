package main

import (
	"bytes"
	bigendian "encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	raw "go.etcd.io/bbolt"
)

// TestFigures prints the rates of the server beside the best possible ones, measured in the same
// run: bbolt doing the same puts, and a bare handler giving the same bytes. It runs if
// TODODB_TEST_FIGURES is set, because figures need a quiet machine. Only limits that do not
// depend on the machine can fail it.
func TestFigures(t *testing.T) {
	if os.Getenv("TODODB_TEST_FIGURES") == "" {
		t.Skip("TODODB_TEST_FIGURES is not set")
	}
	f := figures{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}}
	f.server = startServer(t, t.TempDir(), "", "--log-level", "warning")
	f.server.do(201, "PUT", "/figures", "")

	bulk, floor := f.bulk(), f.boltPuts(1000, figureDocs)
	f.print("bulk insert, documents", bulk, "raw bbolt", floor, 0.5)
	f.server.do(201, "PUT", "/singles", "")
	f.print("16 clients put, documents", f.puts(), "raw bbolt, groups of 16", f.boltPuts(16, figureSingles), 0.3)
	bytes, gets := f.gets(f.server.base + "/figures/")
	f.print("16 clients get, documents", gets, "bare handler", f.bareGets(bytes), 0.5)
	f.print("_changes, rows", f.rows("/figures/_changes"), "", 0, 150_000)
	f.print("_all_docs?include_docs=true, rows", f.rows("/figures/_all_docs?include_docs=true"), "", 0, 60_000)
	f.find()
	up, down := f.attachment()
	f.print("attachment up, bytes", up, "raw bbolt, 64 KiB chunks", f.boltChunks(), 0.5)
	f.print("attachment down, bytes", down, "bare handler", f.bareDownload(), 0.5)

	memory := privateMemory(t, f.server) >> 20
	fmt.Printf("%-38s %10d MiB, at most 80\n", "private memory after all that", memory)
	if memory > 80 {
		t.Errorf("private memory is %d MiB", memory)
	}
	f.start()
}

const (
	figureDocs    = 100_000
	figureSingles = 8_000
)

type figures struct {
	t      *testing.T
	client *http.Client
	server *process
}

// print prints a rate and, if there is one, its floor and their ratio; want is the ratio
// to reach, or the rate.
func (f *figures) print(what string, rate float64, floorName string, floor, want float64) {
	if floor == 0 {
		fmt.Printf("%-38s %10.0f /s, wanted %.0f\n", what, rate, want)
		return
	}
	fmt.Printf("%-38s %10.0f /s  %-24s %10.0f /s  ratio %.2f, wanted %.2f\n", what, rate, floorName, floor, rate/floor, want)
}

func figureDoc(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 42))
	var text strings.Builder
	for text.Len() < 200 {
		fmt.Fprintf(&text, "%x ", r.Uint32())
	}
	return fmt.Sprintf(`"owner":"user%04d","type":"todo","n":%d,"score":%f,"done":%v,"city":"Oslo","tags":["a","b"],"created":"2024-01-02T03:04:05Z","text":%q}`,
		i%1000, i, r.Float64(), i%3 == 0, text.String())
}

// figureID is scattered, as uuids are.
func figureID(i int) string { return fmt.Sprintf("doc-%08x", uint32(i)*2654435761) }

func (f *figures) send(method, url string, body []byte) (int, error) {
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.SetBasicAuth(testUser, testPassword)
	r.Header.Set("Content-Type", "application/json")
	answer, err := f.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s", method, url, answer.Status)
	}
	return int(n), err
}

// bulk writes figureDocs documents by 1,000.
func (f *figures) bulk() float64 {
	var bodies [][]byte
	for from := 0; from < figureDocs; from += 1000 {
		b := []byte(`{"docs":[`)
		for i := from; i < from+1000; i++ {
			if i > from {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"_id":%q,%s`, figureID(i), figureDoc(i))
		}
		bodies = append(bodies, append(b, `]}`...))
	}
	began := time.Now()
	for _, b := range bodies {
		if _, err := f.send("POST", f.server.base+"/figures/_bulk_docs", b); err != nil {
			f.t.Fatal(err)
		}
	}
	return figureDocs / time.Since(began).Seconds()
}

// boltPuts has bbolt store what a document needs: its record by id, its place in the sequence
// and its body. Each transaction has group documents.
func (f *figures) boltPuts(group, docs int) float64 {
	db, err := raw.Open(filepath.Join(f.t.TempDir(), "floor"), 0o600, &raw.Options{FreelistType: raw.FreelistMapType})
	if err != nil {
		f.t.Fatal(err)
	}
	defer db.Close()
	body := []byte(figureDoc(1))
	began := time.Now()
	for from := 0; from < docs; from += group {
		err := db.Update(func(tx *raw.Tx) error {
			var buckets [3]*raw.Bucket
			for i := range buckets {
				if buckets[i], err = tx.CreateBucketIfNotExists([]byte{byte(i + 1)}); err != nil {
					return err
				}
			}
			buckets[1].FillPercent, buckets[2].FillPercent = 1, 1
			for i := from; i < from+group; i++ {
				seq := bigendian.BigEndian.AppendUint64(nil, uint64(i))
				for b, kv := range [][2][]byte{{[]byte(figureID(i)), make([]byte, 56)}, {seq, make([]byte, 64)}, {seq, body}} {
					if err := buckets[b].Put(kv[0], kv[1]); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			f.t.Fatal(err)
		}
	}
	return float64(docs) / time.Since(began).Seconds()
}

// each calls fn for 0 to n-1 from 16 goroutines and returns the rate.
func (f *figures) each(n int, fn func(i int) error) float64 {
	var next atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := fn(i); err != nil {
					f.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(began).Seconds()
}

func (f *figures) puts() float64 {
	return f.each(figureSingles, func(i int) error {
		_, err := f.send("PUT", f.server.base+"/singles/"+figureID(i), []byte("{"+figureDoc(i)))
		return err
	})
}

// gets reads random documents; bytes is the size of the last answer.
func (f *figures) gets(base string) (bytes int, rate float64) {
	var size atomic.Int64
	rate = f.each(4*figureSingles, func(i int) error {
		n, err := f.send("GET", base+figureID(rand.IntN(figureDocs)), nil)
		size.Store(int64(n))
		return err
	})
	return int(size.Load()), rate
}

const figureAttachment = 100 << 20

// attachment sends an attachment and fetches it, and returns the rates in bytes a second.
func (f *figures) attachment() (up, down float64) {
	r := f.server.request("PUT", "/figures/with/noise", "")
	r.Body, r.ContentLength = io.NopCloser(newNoise(figureAttachment)), figureAttachment
	began := time.Now()
	answer, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	answer.Body.Close()
	up = figureAttachment / time.Since(began).Seconds()
	return up, f.download(f.server.base + "/figures/with/noise")
}

func (f *figures) download(url string) float64 {
	began := time.Now()
	if n, err := f.send("GET", url, nil); err != nil || n != figureAttachment {
		f.t.Fatalf("%d bytes, %v", n, err)
	}
	return figureAttachment / time.Since(began).Seconds()
}

// boltChunks has bbolt keep the same bytes, 16 chunks a transaction.
func (f *figures) boltChunks() float64 {
	db, err := raw.Open(filepath.Join(f.t.TempDir(), "floor"), 0o600, &raw.Options{FreelistType: raw.FreelistMapType})
	if err != nil {
		f.t.Fatal(err)
	}
	defer db.Close()
	in := newNoise(figureAttachment)
	began := time.Now()
	for n := 0; n < figureAttachment>>16; n += 16 {
		err := db.Update(func(tx *raw.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			for i := n; i < n+16 && err == nil; i++ {
				chunk := make([]byte, 64<<10)
				if _, err := io.ReadFull(in, chunk); err != nil {
					return err
				}
				err = b.Put(bigendian.BigEndian.AppendUint64(nil, uint64(i)), chunk)
			}
			return err
		})
		if err != nil {
			f.t.Fatal(err)
		}
	}
	return figureAttachment / time.Since(began).Seconds()
}

func (f *figures) bareDownload() (rate float64) {
	f.withBare(figureAttachment, func(base string) { rate = f.download(base) })
	return rate
}

// bareGets asks a process that only sends the same number of bytes.
func (f *figures) bareGets(bytes int) (rate float64) {
	f.withBare(bytes, func(base string) { _, rate = f.gets(base) })
	return rate
}

// withBare runs a process that answers everything with the same bytes.
func (f *figures) withBare(bytes int, fn func(base string)) {
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	bare := exec.Command(self)
	bare.Env = append(os.Environ(), fmt.Sprintf("TODODB_TEST_BARE=%s %d", address, bytes))
	if err := bare.Start(); err != nil {
		f.t.Fatal(err)
	}
	defer bare.Wait()
	defer bare.Process.Kill()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := f.send("GET", "http://"+address+"/", nil); err == nil {
			break
		} else if time.Now().After(deadline) {
			f.t.Fatal(err)
		}
	}
	fn("http://" + address + "/")
}

// serveBare is what the process of bareGets does.
func serveBare(what string) {
	var address string
	var bytes int
	if _, err := fmt.Sscan(what, &address, &bytes); err != nil {
		panic(err)
	}
	body := make([]byte, bytes)
	panic(http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	})))
}

func (f *figures) rows(path string) float64 {
	began := time.Now()
	if _, err := f.send("GET", f.server.base+path, nil); err != nil {
		f.t.Fatal(err)
	}
	return figureDocs / time.Since(began).Seconds()
}

// find measures an index of two fields, queries by it beside as many documents by
// _bulk_get, and changes by a selector with and without an index.
func (f *figures) find() {
	timed := func(times int, method, path, body string) float64 {
		began := time.Now()
		for range times {
			if _, err := f.send(method, f.server.base+"/figures/"+path, []byte(body)); err != nil {
				f.t.Fatal(err)
			}
		}
		return float64(times) / time.Since(began).Seconds()
	}
	const selector = `{"selector":{"owner":"user0007","n":{"$gte":0}},"limit":25`
	f.print("documents matched without an index", figureDocs*timed(3, "POST", "_find", `{"selector":{"owner":"nobody"}}`), "", 0, 300_000)
	timed(1, "POST", "_index", `{"index":{"fields":["owner","n"]},"ddoc":"two","name":"two"}`)
	f.print("index of two fields, documents", figureDocs*timed(1, "POST", "_find", selector+"}"), "", 0, 100_000)
	var ids []string
	for i := range 25 {
		ids = append(ids, fmt.Sprintf(`{"id":%q}`, figureID(7+1000*i)))
	}
	gets := timed(2000, "POST", "_bulk_get", `{"docs":[`+strings.Join(ids, ",")+`]}`)
	f.print("queries of 25 documents", timed(2000, "POST", "_find", selector+"}"), "_bulk_get of 25", gets, 0.33)
	all := timed(3, "POST", "_changes?filter=_selector", `{"selector":{"owner":"user0007"}}`)
	timed(1, "POST", "_index", `{"index":{"fields":["owner"]},"ddoc":"feed","name":"feed","options":{"changes":true}}`)
	timed(1, "POST", "_changes?filter=_selector", `{"selector":{"owner":"user0007"}}`) // builds it
	f.print("_changes by a selector, by an index", timed(50, "POST", "_changes?filter=_selector", `{"selector":{"owner":"user0007"}}`), "without", all, 50)
}

// start measures how long a server takes from its start to its first answer.
func (f *figures) start() {
	dir := f.t.TempDir()
	startServer(f.t, dir, "").stop() // a first start makes files
	began := time.Now()
	server := startServer(f.t, dir, "")
	answer, err := http.Get(server.base + "/")
	if err != nil {
		f.t.Fatal(err)
	}
	answer.Body.Close()
	took := time.Since(began)
	fmt.Printf("%-38s %10d ms, at most 100\n", "start to first answer", took.Milliseconds())
	if took > time.Second {
		f.t.Errorf("a start took %v", took)
	}
}
