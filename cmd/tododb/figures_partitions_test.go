package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// partitionDocs is how many documents a partition has.
const partitionDocs = 1000

// TestFiguresPartitions prints what a partition costs beside a database that has only its documents,
// and what writes to a partitioned database cost beside writes to a plain one.
// TODODB_TEST_PARTITIONED is how many documents the partitioned database has (200,000).
func TestFiguresPartitions(t *testing.T) {
	if os.Getenv("TODODB_TEST_FIGURES") == "" {
		t.Skip("TODODB_TEST_FIGURES is not set")
	}
	docs := 200_000
	if text := os.Getenv("TODODB_TEST_PARTITIONED"); text != "" {
		var err error
		if docs, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	f := figures{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}}
	f.server = startServer(t, t.TempDir(), "", "--log-level", "warning")
	f.partitionWrites()

	f.server.do(201, "PUT", "/parts?partitioned=true", "")
	f.server.do(201, "PUT", "/alone", "")
	partitions := docs / partitionDocs
	for n := range partitionDocs { // each partition is spread over the whole database
		f.write("parts", partitions, func(i int) string { return fmt.Sprintf("p%05d:%05d", i, n) })
	}
	f.write("alone", partitionDocs, func(i int) string { return fmt.Sprintf("p%05d:%05d", partitions/2, i) })
	const design = `{"views":{"n":{"map":"function(doc){emit(doc.n, null)}"},"city":{"map":"function(doc){emit([doc.city, doc.owner], doc.n)}","reduce":"_sum"}}}`
	for _, db := range []string{"parts", "alone"} {
		f.server.do(201, "PUT", "/"+db+"/_design/d", design)
	}
	ask := func(path string) {
		if _, err := f.send("GET", f.server.base+"/"+path, nil); err != nil {
			t.Fatal(err)
		}
	}
	in := fmt.Sprintf("parts/_partition/p%05d", partitions/2)
	began := time.Now()
	ask(in + "/_design/d/_view/n?limit=1")
	fmt.Printf("two views of %d documents built in %s\n", docs, time.Since(began).Round(time.Millisecond))
	for _, c := range []struct{ what, path string }{
		{"listed", "/_all_docs"},
		{"listed with documents", "/_all_docs?include_docs=true"},
		{"its view", "/_design/d/_view/n"},
		{"20 rows of its view", "/_design/d/_view/n?limit=20&startkey=5"},
		{"its sum", "/_design/d/_view/city"},
		{"its groups", "/_design/d/_view/city?group=true"},
		{"its figures", ""},
	} {
		f.printTime(fmt.Sprintf("1,000 of %d documents: %s", docs, c.what), f.median(ask, in+c.path), 2*f.median(ask, "alone"+c.path))
	}
	for _, db := range []string{"parts", "alone"} {
		f.server.do(200, "POST", "/"+db+"/_index", `{"index":{"fields":["n"]},"ddoc":"by-n"}`)
	}
	for _, c := range []struct{ what, query string }{
		{"20 found by an index", `{"selector":{"n":{"$gte":5}},"limit":20}`},
		{"searched without an index", `{"selector":{"none":1}}`},
	} {
		find := func(path string) {
			if _, err := f.send("POST", f.server.base+"/"+path+"/_find", []byte(c.query)); err != nil {
				t.Fatal(err)
			}
		}
		f.printTime(fmt.Sprintf("1,000 of %d documents: %s", docs, c.what), f.median(find, in), 2*f.median(find, "alone"))
	}
}

// write writes documents by 1,000.
func (f *figures) write(db string, docs int, id func(i int) string) {
	for from := 0; from < docs; from += 1000 {
		b := []byte(`{"docs":[`)
		for i := from; i < min(from+1000, docs); i++ {
			if i > from {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"_id":%q,%s`, id(i), figureDoc(i))
		}
		if _, err := f.send("POST", f.server.base+"/"+db+"/_bulk_docs", append(b, `]}`...)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// partitionWrites compares writes to a plain database with the same writes to a partitioned one.
// They take turns. The fastest of each ten turns counts, because other work on the machine only makes
// turns slower. It is ten and not all, because turns get slower as the database grows.
func (f *figures) partitionWrites() {
	for n, c := range []struct {
		what string
		turn func(db string, turn int)
		docs int
	}{
		{"1,000 documents of one partition", func(db string, turn int) {
			f.write(db, 1000, func(i int) string { return fmt.Sprintf("a%04d:%s", turn, figureID(i)) })
		}, 1000},
		{"1,000 documents of 50 partitions", func(db string, turn int) {
			f.write(db, 1000, func(i int) string { return fmt.Sprintf("b%04d:%s", i%50, figureID(turn*1000+i)) })
		}, 1000},
		{"1,000 documents of 1,000 partitions", func(db string, turn int) {
			f.write(db, 1000, func(i int) string { return fmt.Sprintf("c%04d:%s", i, figureID(turn*1000+i)) })
		}, 1000},
		{"16 clients, 200 documents", func(db string, turn int) {
			var wg sync.WaitGroup
			for client := range 16 {
				wg.Go(func() {
					for i := client; i < 200; i += 16 {
						id := fmt.Sprintf("d%04d:%s", i%20, figureID(turn*200+i))
						if _, err := f.send("PUT", f.server.base+"/"+db+"/"+id, []byte("{"+figureDoc(i))); err != nil {
							f.t.Error(err)
						}
					}
				})
			}
			wg.Wait()
		}, 200},
		{"1 client, 20 documents", func(db string, turn int) {
			for i := range 20 {
				id := fmt.Sprintf("e%04d:%s", i%20, figureID(turn*20+i))
				if _, err := f.send("PUT", f.server.base+"/"+db+"/"+id, []byte("{"+figureDoc(i))); err != nil {
					f.t.Error(err)
				}
			}
		}, 20},
	} {
		name := strconv.Itoa(n)
		f.server.do(201, "PUT", "/plain"+name, "")
		f.server.do(201, "PUT", "/split"+name+"?partitioned=true", "")
		var took [2][]time.Duration
		for turn := range 60 {
			for k := range 2 {
				which := (turn + k) % 2
				began := time.Now()
				c.turn([]string{"plain" + name, "split" + name}[which], turn)
				took[which] = append(took[which], time.Since(began))
			}
		}
		var fastest [2]time.Duration // of six tens, together
		for which := range took {
			for ten := range slices.Chunk(took[which], 10) {
				fastest[which] += slices.Min(ten)
			}
		}
		plain, split := fastest[0]/6, fastest[1]/6
		fmt.Printf("%-42s %8.0f /s  plain %8.0f /s  costs %+.1f %%, wanted at most +5 %%\n", "partitioned: "+c.what,
			float64(c.docs)/split.Seconds(), float64(c.docs)/plain.Seconds(), 100*(split.Seconds()/plain.Seconds()-1))
		for _, db := range []string{"plain", "split"} {
			f.server.do(200, "DELETE", "/"+db+name, "")
		}
	}
}
