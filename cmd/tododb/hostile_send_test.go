package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	little "encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bodies of any size, made while they are sent.

// repeated is a text n times over.
func repeated(text []byte, n int) io.Reader { return &repeater{text: text, left: n} }

type repeater struct {
	text []byte
	at   int
	left int
}

func (r *repeater) Read(p []byte) (n int, err error) {
	for n < len(p) && r.left > 0 {
		k := copy(p[n:], r.text[r.at:])
		n += k
		if r.at += k; r.at == len(r.text) {
			r.at, r.left = 0, r.left-1
		}
	}
	if n == 0 && r.left == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// list is the same text n times, with commas or something else between and a text on either side.
func list(begin, each, end string, n int, between ...string) io.Reader {
	comma := ","
	if len(between) > 0 {
		comma = between[0]
	}
	// Use large pieces, or the attacker is slower than the server.
	piece := each + comma
	many := max(1, min(n, 32<<10/len(piece)))
	return io.MultiReader(strings.NewReader(begin), repeated([]byte(strings.Repeat(piece, many)), (n-1)/many),
		strings.NewReader(strings.Repeat(piece, (n-1)%many)+each+end))
}

// pack compresses.
func pack(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(text)
	w.Close()
	return b.Bytes()
}

// bomb is one member of gzip that unpacks to a text of a given size: a beginning, the same text
// again and again, and an end.
func bomb(begin, each, finish string, size int) io.Reader {
	text := bytes.Repeat([]byte(each), 1<<20/len(each))
	squeeze := func(text []byte) []byte { // a piece of a stream that refers to none before
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, flate.BestCompression)
		w.Write(text)
		w.Flush()
		return b.Bytes()
	}
	n := size / len(text)
	sum := crc32.ChecksumIEEE([]byte(begin))
	for range n {
		sum = crc32.Update(sum, crc32.IEEETable, text)
	}
	sum = crc32.Update(sum, crc32.IEEETable, []byte(finish))
	end := []byte{1, 0, 0, 0xff, 0xff} // an empty last block
	end = little.LittleEndian.AppendUint32(end, sum)
	end = little.LittleEndian.AppendUint32(end, uint32(len(begin)+n*len(text)+len(finish)))
	return io.MultiReader(bytes.NewReader([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}), bytes.NewReader(squeeze([]byte(begin))),
		repeated(squeeze(text), n), bytes.NewReader(squeeze([]byte(finish))), bytes.NewReader(end))
}

// gzipped sends such a bomb.
func gzipped(who caller, method, path string, size int, begin, each, end string) func(*siege) string {
	return func(s *siege) string {
		return s.ask(who, method, path, bomb(begin, each, end, size), "Content-Encoding: gzip").String()
	}
}

// distinct returns the different texts among some, in order.
func distinct(texts []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(texts)))
}

// feeds reads n feeds at once, as nobody, for some time once all of them have begun. It says
// "fed" if all did.
func (s *siege) feeds(n int, path string, long time.Duration) string {
	ctx, cancel := context.WithTimeout(s.t.Context(), attackers.Timeout) // until all have begun
	defer cancel()
	began := make([]string, n)
	client := &http.Client{Transport: &http.Transport{}}
	var starting, reading sync.WaitGroup
	starting.Add(n)
	for i := range n {
		reading.Go(func() {
			r, err := http.NewRequestWithContext(ctx, "GET", s.base+path, nil)
			if err != nil {
				panic(err)
			}
			got, err := client.Do(r)
			starting.Done()
			if err != nil {
				began[i] = "cut"
				return
			}
			defer got.Body.Close()
			if began[i] = "fed"; got.StatusCode != 200 {
				began[i] = read(got).String()
				return
			}
			io.Copy(io.Discard, got.Body)
			if ctx.Err() == nil {
				began[i] = "ended"
			}
		})
	}
	starting.Wait()
	standing := time.AfterFunc(long, cancel)
	defer standing.Stop()
	reading.Wait()
	client.CloseIdleConnections()
	return strings.Join(distinct(began), "; ")
}
