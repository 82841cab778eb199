package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// TestHostileQueries sends queries that are costly to answer, or make no sense.
func TestHostileQueries(t *testing.T) {
	widetest.Only(t)
	besideOthers(t)
	s := besiege(t, confinement{Memory: 320 << 20}, "")
	var docs []string
	for i := range 2000 {
		docs = append(docs, fmt.Sprintf(`{"_id":"q%04d","n":%d,"s":%q,"o":{"m%d":1}}`, i, i, strings.Repeat("a", 40)+"b", i))
	}
	s.do(201, "POST", "/open/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
	s.do(200, "POST", "/open/_index", `{"index":{"fields":["n"]}}`)
	for name, emit := range map[string]string{"objects": "doc._id,o", "all": "[doc.n,doc._id,doc.s],doc.n||0", "huge": "doc._id,1e308", "hugestats": "doc._id,1e200"} {
		reduce := map[bool]string{true: "_stats", false: "_sum"}[strings.HasSuffix(name, "stats") || name == "all"]
		s.do(201, "PUT", "/open/_design/"+name, fmt.Sprintf(`{"views":{"v":{"map":"function(doc){var o={};for(var i=0;i<30;i++)o[doc._id+i]=1;emit(%s)}","reduce":%q}}}`, emit, reduce))
	}
	s.run(queryBombs)
}

// abandon makes a request, goes away soon after, and says whether the server comes to rest.
func (s *siege) abandon(who caller, method, path string, body any) string {
	ctx, cancel := context.WithTimeout(s.t.Context(), 700*time.Millisecond)
	defer cancel()
	s.asking(ctx, who, method, path, body)
	// A busy machine gives the server less time, so what counts is what it has computed.
	for first := cpuTime(s.cmd.Process.Pid); ; {
		was, began := cpuTime(s.cmd.Process.Pid), time.Now()
		time.Sleep(400 * time.Millisecond)
		now := cpuTime(s.cmd.Process.Pid)
		if float64(now-was) < (s.quietLoad+0.3)*float64(time.Since(began)) {
			return "idle"
		}
		if now-first > 5*time.Second {
			return "still at work"
		}
	}
}

// bounded is the outcome of a query that is too much: refused, or done within its time.
const bounded = `200|[45]\d\d .+`

var queryBombs = []attack{
	// Patterns.
	regexBomb("a pattern of 8 million nested look-aheads", strings.Repeat("(?=", 1_000_000)+strings.Repeat(")", 1_000_000), refused),
	regexBomb("a pattern nested 300 deep", strings.Repeat("(?:", 300)+"a"+strings.Repeat(")", 300), refused),
	regexBomb("a pattern of 1 MB", strings.Repeat("a", 1_000_000), refused),
	regexBomb("a pattern that backtracks", "^(a+)+$", bounded),
	onlyLong(regexBomb("a pattern that backtracks with a look-ahead", "^(?=(a+)+$)", bounded)),
	onlyLong(regexBomb("a pattern that refers back", `^(a+)+\1\1\1c$`, bounded)),
	regexBomb("a pattern that is polynomial", "a*a*a*a*a*a*a*a*a*c", bounded),
	regexBomb("a pattern that counts", "(((a{1,1000}){1,1000}){1,1000}){1,1000}", bounded),
	regexBomb("a pattern that does not end", "(((", refused),
	{name: "a hundred patterns at once", want: bounded, do: func(s *siege) string {
		one := `{"s":{"$regex":"^(?=(a+)+$)"}}`
		return s.find(`{"$or":[` + one + strings.Repeat(","+one, 99) + `]}`)
	}},

	// Selectors.
	{name: "$or of 100,000 branches", want: bounded, do: func(s *siege) string {
		return s.find(`{"$or":[{"n":-1}` + strings.Repeat(`,{"n":-2}`, 100_000) + `]}`)
	}},
	{name: "$or of 10,000 ranges over an index", want: bounded, do: func(s *siege) string {
		var b strings.Builder
		for i := range 10_000 {
			fmt.Fprintf(&b, `,{"n":{"$gt":%d,"$lt":%d}}`, i, i+3)
		}
		return s.find(`{"$or":[{"n":-1}` + b.String() + `]}`)
	}},
	{name: "$or within $or, 200 deep", want: bounded, do: func(s *siege) string {
		return s.find(strings.Repeat(`{"$or":[{"n":1},`, 200) + `{"n":2}` + strings.Repeat("]}", 200))
	}},
	{name: "$and of $or of $and, doubled 16 times", want: bounded, do: func(s *siege) string {
		sel := `{"n":1}`
		for i := range 16 {
			sel = fmt.Sprintf(`{"%s":[%s,%s]}`, []string{"$and", "$or"}[i%2], sel, sel)
		}
		return s.find(sel)
	}},
	{name: "$and of 20 $or of 20", want: bounded, do: func(s *siege) string {
		var ands []string
		for i := range 20 {
			var ors []string
			for j := range 20 {
				ors = append(ors, fmt.Sprintf(`{"n":{"$gt":%d}}`, i*j))
			}
			ands = append(ands, `{"$or":[`+strings.Join(ors, ",")+`]}`)
		}
		return s.find(`{"$and":[` + strings.Join(ands, ",") + `]}`)
	}},
	{name: "$in of 500,000", want: bounded, do: func(s *siege) string {
		var b strings.Builder
		for i := range 500_000 {
			fmt.Fprintf(&b, ",%d", i)
		}
		return s.find(`{"n":{"$in":[-1` + b.String() + `]}}`)
	}, long: true},
	{name: "$not 100,000 deep", want: refused, do: func(s *siege) string {
		return s.find(strings.Repeat(`{"$not":`, 100_000) + `{"n":1}` + strings.Repeat("}", 100_000))
	}},
	{name: "$not 500 deep", want: bounded, do: func(s *siege) string {
		return s.find(strings.Repeat(`{"$not":`, 500) + `{"n":1}` + strings.Repeat("}", 500))
	}},
	{name: "$all, $elemMatch and $allMatch of much", want: bounded, do: func(s *siege) string {
		return s.find(`{"s":{"$all":[` + strings.Repeat(`"a",`, 100_000) + `"b"]},"o":{"$elemMatch":{"$or":[{"$gt":1}` + strings.Repeat(`,{"$gt":2}`, 20_000) + `]}}}`)
	}},
	{name: "$keyMapMatch and $mod of nonsense", want: refused, do: func(s *siege) string {
		return s.find(`{"n":{"$mod":[0,0]},"o":{"$keyMapMatch":1}}`)
	}},
	{name: "a path of 100,000 fields", want: bounded, do: func(s *siege) string {
		return s.find(`{"a` + strings.Repeat(".a", 100_000) + `":1}`)
	}},
	{name: "fields of 200,000", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_find", `{"selector":{},"limit":200,"fields":["n"`+strings.Repeat(`,"o.m"`, 200_000)+`]}`).String()
	}},
	{name: "sort of 100,000", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_find", `{"selector":{},"sort":["n"`+strings.Repeat(`,"n"`, 100_000)+`]}`).String()
	}, long: true},
	{name: "limit and skip beyond numbers", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_find", `{"selector":{},"limit":99999999999999999999,"skip":99999999999999999999}`).String()
	}},
	{name: "limit of -1", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_find", `{"selector":{},"limit":-1}`).String()
	}},
	{name: "bookmarks that were forged", want: refused, do: func(s *siege) string {
		got := ""
		for _, b := range []string{"x", "nil ", strings.Repeat("g", 1_000_000), "g1AAAA", "g1AAAACReJzLYWBgYMpgSmHgKy5JLCrJTq2MT8lPzkzJBYqzAJkmIKkcuBQA", "eyJ4IjoxfQ"} {
			got = s.ask(nobody, "POST", "/open/_find", fmt.Sprintf(`{"selector":{},"bookmark":%q}`, b)).String()
			if !strings.HasPrefix(got, "400") {
				return fmt.Sprintf("%.20q: %s", b, got)
			}
		}
		return got
	}},
	{name: "use_index of everything", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_find", `{"selector":{"n":1},"use_index":[`+strings.Repeat(`"a",`, 100_000)+`"b"]}`).String()
	}},
	{name: "an index made by who may not", want: "401 .+|403 .+", do: func(s *siege) string {
		return s.ask(nobody, "POST", "/victim/_index", `{"index":{"fields":["n"]}}`).String()
	}},
	{name: "an index of 100,000 fields", want: bounded, do: func(s *siege) string {
		return s.ask(dora, "POST", "/doras/_index", `{"index":{"fields":["n"`+strings.Repeat(`,"m"`, 100_000)+`]}}`).String()
	}, long: true},
	{name: "_explain of much", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_explain", `{"selector":{"$or":[{"n":-1}`+strings.Repeat(`,{"n":-2}`, 50_000)+`]}}`).String()
	}},

	// Keys and ranges.
	{name: "_all_docs with 500,000 keys", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_all_docs?include_docs=true", list(`{"keys":[`, `"q0001"`, `]}`, 500_000)).String()
	}, long: true},
	{name: "a view with 500,000 keys", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_design/all/_view/v?reduce=false", list(`{"keys":[`, `[1,"q0001"]`, `]}`, 500_000)).String()
	}, long: true},
	{name: "a view reduced for 100,000 keys", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_design/all/_view/v?group=true", list(`{"keys":[`, `[1,"q0001"]`, `]}`, 100_000)).String()
	}, long: true},
	{name: "20,000 queries in one, and gone", want: "idle", do: func(s *siege) string {
		return s.abandon(nobody, "POST", "/open/_all_docs/queries", list(`{"queries":[`, `{"limit":1000000}`, `]}`, 20_000))
	}},
	{name: "$or of 100,000 branches, and gone", want: "idle", do: func(s *siege) string {
		return s.abandon(nobody, "POST", "/open/_find", `{"selector":{"$or":[{"m":-1}`+strings.Repeat(`,{"m":{"$gt":2}}`, 100_000)+`]}}`)
	}},
	{name: "_changes by a selector of 50,000 branches, and gone", want: "idle", do: func(s *siege) string {
		return s.abandon(nobody, "POST", "/open/_changes?filter=_selector", list(`{"selector":{"$or":[`, `{"m":{"$gt":1}}`, `]}}`, 50_000))
	}},
	{name: "fields of 200,000, and gone", want: "idle", do: func(s *siege) string {
		return s.abandon(nobody, "POST", "/open/_find", `{"selector":{},"limit":2000,"fields":["n"`+strings.Repeat(`,"o.m"`, 200_000)+`]}`)
	}},
	{name: "a pattern that backtracks, and gone", want: "idle", do: func(s *siege) string {
		return s.abandon(nobody, "POST", "/open/_find", `{"selector":{"s":{"$regex":"^(?=(a+)+$)"}}}`)
	}},
	{name: "500 queries of a view in one", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_design/all/_view/v/queries", list(`{"queries":[`, `{"group":true}`, `]}`, 500)).String()
	}, long: true},
	{name: "group_level beyond numbers", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "GET", "/open/_design/all/_view/v?group_level=99999999999999999999", nil).String()
	}},
	{name: "group_level of -1", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "GET", "/open/_design/all/_view/v?group_level=-1", nil).String()
	}},
	{name: "limit and skip of 2^63 and more", want: bounded, do: func(s *siege) string {
		got := ""
		for _, path := range []string{"/open/_all_docs", "/open/_design/all/_view/v", "/open/_changes", "/open/_local_docs", "/open/_design_docs", "/_all_dbs"} {
			for _, q := range []string{"limit=9223372036854775808", "skip=9223372036854775807", "limit=-9223372036854775809", "limit=1e3", "limit=0x10", "skip=-1", "limit=18446744073709551616&skip=18446744073709551616"} {
				got = s.ask(nobody, "GET", path+"?"+q, nil).String()
				if strings.HasPrefix(got, "5") || got == "cut" {
					return path + "?" + q + ": " + got
				}
			}
		}
		return got
	}},
	{name: "keys of a query that are deep", want: refused, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_design/all/_view/v?reduce=false", `{"startkey":`+strings.Repeat("[", 1_000_000)+strings.Repeat("]", 1_000_000)+`}`).String()
	}},
	{name: "a key of 5 MB", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_design/all/_view/v", `{"startkey":"`+strings.Repeat("a", 5_000_000)+`","reduce":false}`).String()
	}},
	{name: "a query string of 900 kB", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "GET", "/open/_all_docs?"+strings.Repeat("limit=1&", 110_000), nil).String()
	}},

	// Reduces that have no bound.
	{name: "_sum of objects whose members grow", want: "200 told", do: func(s *siege) string { return s.view("objects") }},
	{name: "_sum beyond numbers", want: "200 told", do: func(s *siege) string { return s.view("huge") }},
	{name: "_stats beyond numbers", want: "200 told", do: func(s *siege) string { return s.view("hugestats") }},

	// Changes.
	{name: "_changes since what nobody gave", want: either, do: func(s *siege) string {
		got := ""
		for _, since := range []string{"-1", "99999999999999999999", "1-x", "5-" + strings.Repeat("f", 100_000), "[]", `{"a":1}`, "\x00", "now-1", "9223372036854775807", "0000000000000000000000001", "2024-02-30T99:99:99Z", "Thu, 31 Feb 9999 25:61:61 GMT", "1e400", "now&since=0"} {
			got = s.ask(nobody, "GET", "/open/_changes?limit=1&since="+url.QueryEscape(since), nil).String()
			if strings.HasPrefix(got, "5") || got == "cut" {
				return fmt.Sprintf("%.20q: %s", since, got)
			}
		}
		return got
	}},
	{name: "_changes of 500,000 doc_ids", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_changes?filter=_doc_ids", list(`{"doc_ids":[`, `"q0001"`, `]}`, 500_000)).String()
	}, long: true},
	{name: "_changes by a selector of 50,000 branches", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_changes?filter=_selector", list(`{"selector":{"$or":[`, `{"m":1}`, `]}}`, 50_000)).String()
	}},
	{name: "_changes by a filter that there is none of", want: refused, do: func(s *siege) string {
		got := ""
		for _, f := range []string{"a", "a/b", "a/b/c", "_view", "_view&view=a", "_view&view=a/b", "_doc_ids&doc_ids=x", "%2F%2F", "_design/all/x"} {
			got = s.ask(nobody, "GET", "/open/_changes?filter="+f, nil).String()
			if !strings.HasPrefix(got, "4") {
				return f + ": " + got
			}
		}
		return got
	}},
	{name: "heartbeats of nonsense", want: bounded, do: func(s *siege) string {
		got := ""
		for _, h := range []string{"heartbeat=0", "heartbeat=-1", "heartbeat=1e9", "heartbeat=99999999999999999999", "timeout=-1", "timeout=99999999999999999999"} {
			got = s.ask(nobody, "GET", "/open/_changes?feed=longpoll&since=0&"+h, nil).String()
			if strings.HasPrefix(got, "5") || got == "cut" {
				return h + ": " + got
			}
		}
		return got
	}},
	{name: "a heartbeat each millisecond for 100 feeds", want: "fed", do: func(s *siege) string {
		return s.feeds(100, "/open/_changes?feed=continuous&since=now&heartbeat=1", time.Second)
	}},

	// Revisions.
	{name: "_revs_diff of 500,000 revisions", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_revs_diff", list(`{"q0001":[`, `"1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, `]}`, 500_000)).String()
	}, long: true},
	{name: "_revs_diff of many documents", want: bounded, do: func(s *siege) string {
		var b strings.Builder
		for i := range many(300_000, 50_000) {
			fmt.Fprintf(&b, `,"d%d":["1-a"]`, i)
		}
		return s.ask(nobody, "POST", "/open/_revs_diff", `{"q0001":["1-a"]`+b.String()+`}`).String()
	}},
	{name: "_bulk_get of many", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_get?revs=true&attachments=true", list(`{"docs":[`, `{"id":"q0001"}`, `]}`, many(200_000, 20_000))).String()
	}},
	{name: "a large document a hundred times in one answer", long: true, want: bounded, do: func(s *siege) string {
		if got := s.ask(nobody, "PUT", "/open/large", list(`{"a":["`, `aaaaaaaaaa`, `"]}`, 790_000, "")); got.status != 201 && got.status != 409 {
			return got.String()
		}
		got := ""
		for _, r := range []struct{ path, body string }{
			{"/open/_bulk_get", `{"docs":[{"id":"large"}` + strings.Repeat(`,{"id":"large"}`, 99) + `]}`},
			{"/open/_all_docs?include_docs=true", `{"keys":["large"` + strings.Repeat(`,"large"`, 99) + `]}`},
			{"/open/_all_docs/queries", `{"queries":[{"keys":["large"],"include_docs":true}` + strings.Repeat(`,{"keys":["large"],"include_docs":true}`, 99) + `]}`},
			{"/open/_design/all/_view/v?reduce=false&include_docs=true", `{"keys":[[null,"large",null]` + strings.Repeat(`,[null,"large",null]`, 99) + `]}`},
		} {
			if got = s.ask(nobody, "POST", r.path, r.body).String(); got == "cut" {
				return r.path + ": " + got
			}
		}
		return got
	}},
	{name: "open_revs of 100,000", want: bounded, do: func(s *siege) string {
		return s.ask(nobody, "GET", "/open/q0001?open_revs="+url.QueryEscape(`["1-a"`+strings.Repeat(`,"1-b"`, 20_000)+`]`), nil).String()
	}},
	{name: "a path of 100,000 revisions", want: either, do: func(s *siege) string {
		return s.ask(nobody, "POST", "/open/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"long","_revisions":{"start":100000,"ids":[`+hashes(100_000)+`]}}]}`).String()
	}},
	{name: "paths of 2^63, of less than nothing and of twice the same", want: "all refused", do: func(s *siege) string {
		for i, r := range []string{`{"start":9223372036854775808,"ids":["a"]}`, `{"start":99999999999999999999999,"ids":["a"]}`, `{"start":-1,"ids":["a"]}`, `{"start":0,"ids":["a"]}`,
			`{"start":1,"ids":["b","a"]}`, `{"start":1.5,"ids":["a"]}`, `{"start":"1","ids":["a"]}`, `{"start":1,"ids":[1]}`, `{"start":1,"ids":{}}`, `{"start":1,"ids":[]}`, `{"start":1}`, `{"ids":["a"]}`, `[]`,
			`{"start":2,"ids":["` + strings.Repeat("a", 10_000_000) + `","b"]}`} {
			a := s.ask(nobody, "POST", "/open/_bulk_docs", fmt.Sprintf(`{"new_edits":false,"docs":[{"_id":"path%d","_revisions":%s}]}`, i, r))
			there := s.ask(nobody, "GET", fmt.Sprintf("/open/path%d?revs=true", i), nil)
			if strings.HasPrefix(a.String(), "5") || a.String() == "cut" || there.status == 200 {
				return fmt.Sprintf("%.60s: %s %.200s, then %v %.200s", r, a, a.body, there, there.body)
			}
		}
		return "all refused"
	}},
	{name: "a document of many leaves", want: "2.*", do: func(s *siege) string {
		var docs []string
		for i := range many(5000, 1000) {
			docs = append(docs, fmt.Sprintf(`{"_id":"leaves","_rev":"1-%032x","n":%d}`, i, i))
		}
		got := s.ask(nobody, "POST", "/open/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`)
		if got.status != 201 {
			return got.String()
		}
		return s.ask(nobody, "GET", "/open/leaves?conflicts=true&revs_info=true&open_revs=all", nil).String()
	}},
	{name: "revs_limit of nonsense", want: refused, do: func(s *siege) string {
		got := ""
		for _, n := range []string{"0", "-1", "99999999999999999999", "1.5", `"a"`, "null", "[]", "", "1e3"} {
			got = s.ask(dora, "PUT", "/doras/_revs_limit", n).String()
			if !strings.HasPrefix(got, "4") {
				return n + ": " + got
			}
		}
		return got
	}},
	{name: "_purge by who may not", want: "401 .+|403 .+", do: func(s *siege) string {
		return s.ask(dora, "POST", "/doras/_purge", `{"doc01":["1-a"]}`).String()
	}},
	{name: "views whose keys are huge", want: bounded, do: func(s *siege) string {
		return s.doraView(`function(doc){var k=[];for(var i=0;i<100000;i++)k.push("key");emit(k,k)}`)
	}, long: true},
	{name: "a view row of 33 MB", want: bounded, do: func(s *siege) string {
		return s.doraView(`function(doc){if(doc._id=="doc01")emit(1,"x".repeat(33000000))}`)
	}},
	{name: "a view of a thousand views", want: "500 too_many_views", do: func(s *siege) string {
		vs := map[string]any{}
		for i := range 1000 {
			vs[fmt.Sprint("v", i)] = map[string]string{"map": fmt.Sprintf("function(doc){emit(%d)}", i), "reduce": "_count"}
		}
		return s.doraDesign(map[string]any{"views": vs}, "_view/v1")
	}, long: true},
}

func onlyLong(a attack) attack {
	a.long = true
	return a
}

func regexBomb(name, pattern, want string) attack {
	return attack{name: name, want: want, do: func(s *siege) string {
		text, _ := json.Marshal(pattern)
		return s.find(`{"s":{"$regex":` + string(text) + `}}`)
	}}
}

// find sends a selector to the open database, without logging in.
func (s *siege) find(selector string) string {
	return s.ask(nobody, "POST", "/open/_find", `{"selector":`+selector+`,"limit":200}`).String()
}

// view reads what a view of that database reduces to. That may be an error.
func (s *siege) view(name string) string {
	got := s.ask(nobody, "GET", "/open/_design/"+name+"/_view/v", nil)
	if strings.Contains(string(got.body), `"error"`) {
		return got.String() + " told"
	}
	return got.String()
}

func (s *siege) doraView(mapper string) string {
	return s.doraDesign(views(mapper, ""), "_view/v")
}

// doraDesign has dora write a design document, ask something of it and delete it.
func (s *siege) doraDesign(design map[string]any, path string) string {
	text, err := json.Marshal(design)
	if err != nil {
		panic(err)
	}
	put := s.ask(dora, "PUT", "/doras/_design/odd", text)
	if put.status != 201 {
		return put.String()
	}
	got := s.ask(dora, "GET", "/doras/_design/odd/"+path, nil)
	s.ask(dora, "DELETE", "/doras/_design/odd", nil, head("If-Match: "+strings.Trim(put.header.Get("ETag"), `"`)))
	return got.String()
}

// hashes are n different hashes of revisions, as members of a list.
func hashes(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%032x"`, n-i)
	}
	return b.String()
}
