package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// designServer makes a server whose database has a design document with the given members.
func designServer(t testing.TB, opt Options, members string) *Server {
	t.Helper()
	s := openServer(t, opt)
	for _, step := range [][3]string{{"PUT", "/db", ""}, {"PUT", "/db/_design/d", "{" + members + "}"}} {
		if w := call(s, step[0], step[1], step[2], "Admin", ""); w.Code != 201 {
			t.Fatalf("%s: %d %s", step[1], w.Code, w.Body)
		}
	}
	return s
}

// A document is validated whichever way it comes in.
func TestEveryWayInIsValidated(t *testing.T) {
	t.Parallel()
	s := designServer(t, Options{}, `"validate_doc_update":"function(n,o){ if(!n.ok && !n._deleted) throw {forbidden:'not ok'}; if(n._deleted && o && o.keep) throw {unauthorized:'kept'}; if(n._attachments && n._attachments.bad) throw {forbidden:'bad'} }"`)
	rev := func(id string) string {
		var d struct {
			Rev string `json:"_rev"`
		}
		if err := json.Unmarshal(call(s, "GET", "/db/"+id, "", "Admin", "").Body.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		return d.Rev
	}
	if w := call(s, "PUT", "/db/a", `{"ok":1,"keep":1}`, "Admin", ""); w.Code != 201 {
		t.Fatal(w.Code, w.Body)
	}
	a := rev("a")
	for _, c := range []struct {
		method, path, body, header string
		status                     int
		want                       string
	}{
		{"PUT", "/db/x", `{}`, "", 403, `{"error":"forbidden","reason":"not ok"}`},
		{"PUT", "/db/a?rev=" + a, `{}`, "", 403, `"not ok"`},
		{"PUT", "/db/x?new_edits=false", `{"_rev":"1-a"}`, "", 403, `"not ok"`},
		{"POST", "/db", `{}`, "", 403, `"not ok"`},
		{"DELETE", "/db/a?rev=" + a, "", "", 401, `"kept"`},
		{"PUT", "/db/a/bad?rev=" + a, "x", "Content-Type: text/plain", 403, `"bad"`},
		{"PUT", "/db/new/bad", "x", "Content-Type: text/plain", 403, `"not ok"`},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"b1","ok":1},{"_id":"b2"}]}`, "", 201, `"id":"b2","error":"forbidden","reason":"not ok"`},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"b3","_rev":"1-a"}]}`, "", 201, `"id":"b3","rev":"1-a","error":"forbidden"`},
		{"POST", "/db/_bulk_docs", `{"atomic":true,"docs":[{"_id":"b4","ok":1},{"_id":"b5"}]}`, "", 403, `"b5"`},
		{"PUT", "/db/_local/x", `{}`, "", 201, `"ok":true`},
		{"COPY", "/db/_local/x", "", "Destination: copied", 403, `"not ok"`},
	} {
		headers := []string{"Admin", ""}
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			headers = append(headers, name, value)
		}
		w := call(s, c.method, c.path, c.body, headers...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, w.Code, w.Body, c.status, c.want)
		}
	}
	all := call(s, "GET", "/db/_all_docs", "", "Admin", "").Body.String()
	for _, id := range []string{"x", "new", "b2", "b3", "b4", "b5", "copied"} {
		if strings.Contains(all, `"`+id+`"`) {
			t.Errorf("%s was written", id)
		}
	}
}

// A design document that could not work is refused, alone and among others.
func TestDesignDocumentsAreJudgedWhenTheyAreWritten(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	for body, want := range map[string]string{
		`"views":[]`:                                    `{"error":"invalid_design_doc","reason":"` + "`views` field must have object type" + `"}`,
		`"views":{"v":{"map":"function(doc){"}}`:        `{"error":"compilation_error","reason":"Compilation of the map function in the 'v' view failed: `,
		`"views":{"v":{"map":"5"}}`:                     `{"error":"compilation_error","reason":"Compilation of the map function in the 'v' view failed: Expression does not eval to a function. (5)"}`,
		`"views":{"v":{"map":"x=>1","reduce":"(("}}`:    `{"error":"compilation_error","reason":"Compilation of the reduce function in the 'v' view failed: `,
		`"views":{"v":{"map":"x=>1","reduce":"_nope"}}`: `{"error":"invalid_design_doc",`,
	} {
		if w := call(s, "PUT", "/db/_design/d", "{"+body+"}", "Admin", ""); w.Code != 400 || !strings.HasPrefix(w.Body.String(), strings.TrimSuffix(want, "\n")) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
		word, _, _ := strings.Cut(want, ",")
		for _, bulk := range []string{`"docs":[{"_id":"_design/d",` + body + `},{"_id":"a"}]`, `"new_edits":false,"docs":[{"_id":"_design/d","_rev":"1-a",` + body + `}]`} {
			if w := call(s, "POST", "/db/_bulk_docs", "{"+bulk+"}", "Admin", ""); w.Code != 201 || !strings.Contains(w.Body.String(), word[1:]) {
				t.Errorf("%s: %d %s", bulk, w.Code, w.Body)
			}
		}
	}
	for _, body := range []string{`{"language":"klingon","views":{"v":{"map":"(("}}}`, `{"filters":{"f":"(("},"validate_doc_update":"(("}`, `{"views":{"lib":{"m":"(("}}}`} {
		id := fmt.Sprintf("/db/_design/%x", body[:20])
		if w := call(s, "PUT", id, body, "Admin", ""); w.Code != 201 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

// A counter that may only grow by one never does anything else, even if many clients write it at
// once while its validation function is replaced by equivalent ones.
func TestValidationHoldsInARace(t *testing.T) {
	t.Parallel()
	const rule = `function(n,o){ if(n._id!='n') return; var was=o?o.n:0; if(n.n!==was+1) throw {forbidden:'by one'} }`
	design := func(version int) string {
		return fmt.Sprintf(`"version":%d,"validate_doc_update":%q`, version, rule)
	}
	s := designServer(t, Options{}, design(0))
	ctx, stop := context.WithCancel(t.Context())
	var changing sync.WaitGroup
	changing.Go(func() {
		for n := 1; ctx.Err() == nil; n++ {
			rev := strings.Trim(call(s, "HEAD", "/db/_design/d", "", "Admin", "").Header().Get("Etag"), `"`)
			if w := call(s, "PUT", "/db/_design/d?rev="+rev, "{"+design(n)+"}", "Admin", ""); w.Code != 201 {
				t.Error(w.Code, w.Body)
				return
			}
		}
	})
	var writing sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for i := range 6 {
		writing.Go(func() {
			for range 40 {
				var d struct {
					Rev string `json:"_rev"`
					N   int
				}
				if w := call(s, "GET", "/db/n", "", "Admin", ""); w.Code == 200 {
					if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
						t.Error(err)
					}
				}
				next := d.N + 1 + i%2 // every other one tries to cheat
				body := fmt.Sprintf(`{"_id":"n","n":%d}`, next)
				if d.Rev != "" {
					body = fmt.Sprintf(`{"_id":"n","_rev":%q,"n":%d}`, d.Rev, next)
				}
				w := call(s, "POST", "/db", body, "Admin", "")
				switch {
				case w.Code == 201 && i%2 == 0:
					mu.Lock()
					done++
					mu.Unlock()
				case w.Code == 409, w.Code == 403 && i%2 == 1:
				default:
					t.Errorf("%s over %d: %d %s", body, d.N, w.Code, w.Body)
				}
			}
		})
	}
	writing.Wait()
	stop()
	changing.Wait()
	w := call(s, "GET", "/db/n", "", "Admin", "")
	if want := fmt.Sprintf(`"n":%d}`, done); done == 0 || !strings.Contains(w.Body.String(), want) {
		t.Errorf("%s after %d writes", w.Body, done)
	}
}

// hostile are functions that would never end, or would take all the memory.
var hostile = map[string]string{
	"loop": "for(;;);", "recursion": "(function f(){f();f()})()", "text": "var s='x';for(;;)s+=s", "regexp": "for(;;)/^(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaa!');",
}

// Each kind of function is stopped, and meanwhile the server answers others.
func TestNoFunctionHarmsTheServer(t *testing.T) {
	for name, code := range hostile {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "loop" {
				t.Skip("each waits for its functions to be stopped")
			}
			js := func(f string) string {
				b, err := json.Marshal(strings.ReplaceAll(f, "BAD", code))
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			members := `"filters":{"f":` + js("function(doc,req){BAD}") + `},"updates":{"u":` + js("function(doc,req){BAD;return [null,'x']}") +
				`},"shows":{"s":` + js("function(doc,req){BAD}") + `},"lists":{"l":` + js("function(head,req){getRow();BAD}") +
				`},"views":{"v":{"map":"function(doc){emit(1)}"},"bad":{"map":` + js("function(doc){BAD}") + `}},"rewrites":` + js("function(req){BAD}")
			s := designServer(t, Options{Config: settings(t, "couchdb/os_process_timeout", "300")}, members)
			if w := call(s, "PUT", "/other", "", "Admin", ""); w.Code != 201 {
				t.Fatal(w.Code)
			}
			var running sync.WaitGroup
			for _, request := range []struct{ method, path string }{
				{"GET", "/db/_changes?filter=d/f"}, {"GET", "/db/_changes?filter=_view&view=d/bad"}, {"POST", "/db/_design/d/_update/u"},
				{"GET", "/db/_design/d/_show/s"}, {"GET", "/db/_design/d/_list/l/v"}, {"GET", "/db/_design/d/_rewrite/x"},
			} {
				running.Go(func() {
					defer func() {
						if p := recover(); p != nil && p != any(http.ErrAbortHandler) { // a list has begun to answer
							panic(p)
						}
					}()
					w := call(s, request.method, request.path, "", "Admin", "")
					if w.Code < 400 && !strings.Contains(request.path, "_list") && !strings.Contains(request.path, "_view") {
						t.Errorf("%s %s: %d %.100s", request.method, request.path, w.Code, w.Body)
					}
				})
			}
			began := time.Now()
			for i := range 20 {
				if w := call(s, "PUT", fmt.Sprintf("/other/%d", i), "{}", "Admin", ""); w.Code != 201 {
					t.Errorf("another database: %d %s", w.Code, w.Body)
				}
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("others waited for %v", took)
			}
			running.Wait()
			validator := `{"validate_doc_update":` + js("function(){BAD}") + `}`
			if w := call(s, "PUT", "/db/_design/v", validator, "Admin", ""); w.Code != 201 {
				t.Fatal(w.Code, w.Body)
			}
			if w := call(s, "PUT", "/db/a", "{}", "Admin", ""); w.Code != 500 {
				t.Errorf("validation: %d %s", w.Code, w.Body)
			}
		})
	}
}

// A show answers with the server's ETag, and a client can send it back.
func TestShowsHaveTheServersETag(t *testing.T) {
	t.Parallel()
	s := designServer(t, Options{}, `"shows":{"own":"function(doc,req){return {headers:{Etag:'\"own\"'},body:'x'}}"}`)
	const path = "/db/_design/d/_show/own"
	etag := call(s, "GET", path, "", "Admin", "").Header().Get("Etag")
	if etag == "" || etag == `"own"` {
		t.Errorf("the ETag is %s", etag)
	}
	wants(t, call(s, "GET", path, "", "Admin", "", "If-None-Match", etag), 304, "")
}

// A show or an update function has to return text or an object. What is not true is no answer of a
// show, but none either is what a caller could take for one.
func TestWhatIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := designServer(t, Options{}, `"shows":{"number":"function(){return 5}","true":"function(){return true}","list":"function(){return ['x']}",
		"function":"function(){return function(){}}","sent":"function(){send('x');return 5}","zero":"function(){return 0}","null":"function(){return null}","object":"function(){return {}}"},
		"updates":{"number":"function(){return [null,5]}","list":"function(){return [null,['x']]}"}`)
	for _, name := range []string{"_show/number", "_show/true", "_show/list", "_show/function", "_show/sent"} {
		wants(t, call(s, "GET", "/db/_design/d/"+name, "", "Admin", ""), 500, `{"error":"render_error","reason":"undefined response from show function"}`)
	}
	wants(t, call(s, "GET", "/db/_design/d/_show/number/none", "", "Admin", ""), 404, "document not found")
	for _, name := range []string{"_show/zero", "_show/null", "_show/object"} {
		wants(t, call(s, "GET", "/db/_design/d/"+name, "", "Admin", ""), 200, "")
	}
	for _, name := range []string{"_update/number", "_update/list"} {
		wants(t, call(s, "POST", "/db/_design/d/"+name, "", "Admin", ""), 500, `{"error":"render_error","reason":"undefined response from update function"}`)
	}
}

// Only an administrator of the server may let rewrites leave their database. The rights are
// judged at the path that they lead to.
func TestRewritesLeaveTheirDatabaseIfTheyMay(t *testing.T) {
	t.Parallel()
	c := settings(t)
	s := designServer(t, Options{Config: c}, `"rewrites":[{"from":"uuids","to":"../../../_uuids"},{"from":"dbs","to":"../../../_all_dbs"},{"from":"again","to":"_rewrite/uuids"}]`)
	const path = "/db/_design/d/_rewrite/"
	wants(t, call(s, "PUT", "/db/_security", `{}`, "Admin", ""), 200, "")
	wants(t, call(s, "GET", path+"uuids", "", "Admin", ""), 500, `"insecure_rewrite_rule"`)
	set(t, c, "httpd/secure_rewrites", "false")
	wants(t, call(s, "GET", path+"uuids", ""), 200, `{"uuids":["`)
	wants(t, call(s, "GET", path+"again", ""), 200, `{"uuids":["`)
	wants(t, call(s, "GET", path+"dbs", ""), 401, "")
	wants(t, call(s, "GET", path+"dbs", "", "Admin", ""), 200, `["db"]`)
	set(t, c, "chttpd/rewrite_limit", "1")
	wants(t, call(s, "GET", path+"again", ""), 400, "recursion")
	wants(t, call(s, "GET", path+"uuids", ""), 200, "")
}

func TestShowsUpdatesListsAndRewrites(t *testing.T) {
	t.Parallel()
	s := designServer(t, Options{}, `"views":{"v":{"map":"function(doc){if(doc.k)emit(doc.k,doc.n)}"}},
		"lib":{"m":"exports.name='m'"},
		"shows":{"s":"function(doc,req){return {code:doc?200:404,headers:{'X-A':this.lib.m.length>0?'this':'','Content-Length':'1'},body:require('lib/m').name+' '+(doc?doc.n:req.id)}}",
			"started":"function(doc,req){start({code:202,headers:{'X-B':'b'}});send('sent ');return 'returned'}",
			"heads":"function(doc,req){start({'X-D':'d',code:202,headers:{'X-E':'no'}});send('Hey ');return {headers:{'X-E':'e'},body:'you'}}",
			"unsent":"function(doc,req){start({'X-D':'d'});return 'x'}",
			"id":"function(doc,req){return req.method+' '+req.id}",
			"asked":"function(doc,req){return JSON.stringify(req.query)}",
			"bad":"function(){return {code:99}}"},
		"filters":{"from":"function(doc,req){return doc.n>=req.query.startkey.n&&req.query.descending===true}"},
		"updates":{"add":"function(doc,req){doc=doc||{_id:req.id||req.uuid,n:0};doc.n+=Number(req.form.by||req.query.by||1);return [doc,{json:doc}]}"},
		"lists":{"asked":"function(head,req){return JSON.stringify(req.query.key)}","all":"function(head,req){var r;send('[');while(r=getRow())send(r.id+' ');return head.total_rows+']'}","throws":"function(){throw 'x'}",
			"late":"function(){getRow();start({code:201,headers:{'X-L':'1'}});start({code:202,headers:{'X-L':'2'}});getRow();send('late')}",
			"none":"function(){getRow();start({code:203,headers:{'X-L':'3'}});while(getRow());}",
			"rejects":"function(){start({code:202,headers:{'X-L':'4'}});while(getRow());throw(['error','not_found','nothing'])}",
			"keys":"function(h,r){var row,o=[];while(row=getRow()){var k=Object.keys(row);k.sort();o.push(k.join('/')+' '+JSON.stringify(row.key))}return JSON.stringify(h)+' '+o.join()}"},
		"rewrites":"function(req){var p=req.path.slice(4);if(p[0]=='away')return '../../../other/x';if(p[0]=='self')return {code:418,headers:{'X-C':'c'},body:'me'};if(p[0]=='put')return {path:'../../'+p[1],method:'PUT',body:JSON.stringify({n:7})};if(p[0]=='loop')return '_rewrite/loop';return {path:'_view/v',query:{key:JSON.stringify(p[0])}}}"`)
	const d = "/db/_design/d"
	for _, c := range []struct {
		method, path, body string
		status             int
		want, header       string
	}{
		{"POST", d + "/_update/add/a?by=2", "", 201, `"n":2`, "X-Couch-Id: a"},
		{"PUT", d + "/_update/add/a", "by=3", 201, `"n":5`, ""},
		{"PUT", d + "/_update/add/b%2F%C3%A4", "", 201, `"n":1`, "X-Couch-Id: b%2F%C3%A4"},
		{"GET", d + "/_show/asked?key=%5B1,%22a%22%5D&startkey=%22b%22&endkey=%7B%7D&descending=true&limit=1&start_key=2", "", 200,
			`{"descending":true,"endkey":{},"key":[1,"a"],"limit":"1","start_key":"2","startkey":"b"}`, ""},
		{"GET", d + "/_show/asked?key=b", "", 400, `{"error":"bad_request","reason":"invalid UTF-8 JSON"}`, ""},
		{"GET", d + "/_list/asked/v?key=%22y%22", "", 200, `"y"`, ""},
		{"GET", "/db/_changes?filter=d/from&startkey=%7B%22n%22:5%7D&descending=true", "", 200, `"id":"a"`, ""},
		{"GET", d + "/_show/s/a", "", 200, "m 5", "X-A: this"},
		{"GET", d + "/_show/s/none", "", 404, "m none", "Content-Security-Policy: sandbox"},
		{"GET", d + "/_show/started", "", 200, "sent returned", "X-B: "},
		{"GET", d + "/_show/heads", "", 200, "Hey you", "X-D: d"},
		{"GET", d + "/_show/heads", "", 200, "Hey you", "X-E: e"},
		{"GET", d + "/_show/unsent", "", 200, "x", "X-D: "},
		{"PUT", d + "/_show/id/a/b", "{}", 200, "PUT a/b", ""},
		{"POST", d + "/_show/id/a", "{}", 200, "POST a", ""},
		{"GET", d + "/_show", "", 404, "show_error", ""},
		{"GET", d + "/_show/bad", "", 500, `"render_error"`, ""},
		{"HEAD", d + "/_show/s/a", "", 200, "", "X-A: this"},
		{"DELETE", d + "/_show/s/a", "", 200, "m 5", ""},
		{"GET", d + "/_rewrite/put/b", "", 201, `"id":"b"`, "Deprecation: @1582675200"},
		{"GET", d + "/_rewrite/self", "", 418, "me", "X-C: c"},
		{"GET", d + "/_rewrite/loop", "", 400, "recursion", ""},
		{"GET", d + "/_rewrite/away", "", 500, "insecure_rewrite_rule", ""},
		{"PUT", "/db/k1", `{"k":"x","n":1}`, 201, "", ""},
		{"PUT", "/db/k2", `{"k":"y","n":2}`, 201, "", ""},
		{"GET", d + "/_rewrite/y", "", 200, `{"id":"k2","key":"y","value":2}`, ""},
		{"GET", d + "/_list/all/v", "", 200, "[k1 k2 2]", "Content-Type: application/json"},
		{"GET", d + "/_list/all/v?descending=true&limit=1", "", 200, "[k2 2]", ""},
		{"GET", d + "/_list/throws/v", "", 500, `"render_error"`, ""},
		{"GET", d + "/_list/all/none", "", 404, `"missing_named_view"`, ""},
		{"GET", d + "/_list/late/v", "", 202, "late", "X-L: 2"},
		{"HEAD", d + "/_list/late/v", "", 202, "", "X-L: 2"},
		{"GET", d + "/_list/none/v", "", 203, "", "X-L: 3"},
		{"GET", d + "/_list/rejects/v", "", 404, `{"error":"not_found","reason":"nothing"}`, "X-L: "},
		{"GET", d + "/_list/all/d/v", "", 200, "[k1 k2 2]", ""},
		{"GET", d + "/_list/all/other/v", "", 404, `"missing"`, ""},
		{"GET", d + "/_list/all", "", 404, `"list_error"`, ""},
		{"GET", d + "/_list/all/d/v/x", "", 404, `"list_error"`, ""},
		{"PUT", d + "/_list/all/v", "{}", 405, "Only GET,POST,HEAD allowed", "Allow: GET,POST,HEAD"},
		{"GET", d + "/_list/all/_all_docs", "", 200, "[_design/d a b b/ä k1 k2 6]", ""},
		{"GET", d + "/_list/all/d/_all_docs?startkey=%22k%22&limit=1", "", 200, "[k1 6]", ""},
		{"GET", d + "/_list/all/none/_all_docs", "", 404, `"missing"`, ""},
		{"GET", d + "/_list/all/_all_docs?limit=x", "", 400, `"query_parse_error"`, ""},
		{"GET", d + "/_list/all/_design_docs", "", 404, `"missing_named_view"`, ""},
		{"POST", d + "/_list/keys/_all_docs", `{"keys":["k2","none","a"]}`, 200, `{"total_rows":6,"offset":null} id/key/value "k2",error/key "none",id/key/value "a"`, ""},
		{"GET", d + "/_list/keys/_all_docs?include_docs=true&key=%22k2%22", "", 200, `{"total_rows":6,"offset":5} doc/id/key/value "k2"`, ""},
	} {
		headers := []string{"Admin", ""}
		if strings.HasPrefix(c.body, "by=") {
			headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
		}
		w := call(s, c.method, c.path, c.body, headers...)
		name, value, _ := strings.Cut(c.header, ": ")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || w.Header().Get(name) != value && name != "" {
			t.Errorf("%s %s: %d %s %v, want %d %s %s", c.method, c.path, w.Code, w.Body, w.Header(), c.status, c.want, c.header)
		}
	}
	for _, path := range []string{d + "/_show/s/a", d + "/_list/all/v"} {
		etag := call(s, "GET", path, "", "Admin", "").Header().Get("Etag")
		if w := call(s, "GET", path, "", "Admin", "", "If-None-Match", etag); etag == "" || w.Code != 304 {
			t.Errorf("%s with %s: %d", path, etag, w.Code)
		}
		if w := call(s, "GET", path+"?x=1", "", "Admin", "", "If-None-Match", etag); w.Code != 200 {
			t.Errorf("%s asked otherwise: %d", path, w.Code)
		}
	}
}

// A list that fails after its first bytes cannot send a status any more. Its connection is cut,
// so nobody takes the answer for complete.
func TestListThatFailsLate(t *testing.T) {
	t.Parallel()
	s := designServer(t, Options{}, `"views":{"v":{"map":"function(doc){emit(doc._id)}"}},"lists":{"cut":"function(){start({code:202});send('cut');getRow();throw(['error','not_found','late'])}","once":"function(){send('cut');throw 'x'}"}`)
	wants(t, call(s, "GET", "/db/_design/d/_list/once/v", "", "Admin", ""), 500, "render_error")
	server := httptest.NewServer(s)
	defer server.Close()
	ask, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/db/_design/d/_list/cut/v", nil)
	if err != nil {
		t.Fatal(err)
	}
	ask.SetBasicAuth("admin", "secret")
	w, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if want := "cut\n{\"code\":404,\"error\":\"not_found\",\"reason\":\"late\"}\n"; !errors.Is(err, io.ErrUnexpectedEOF) || w.StatusCode != 202 || string(body) != want {
		t.Errorf("%d %q %v, want %q and a cut connection", w.StatusCode, body, err, want)
	}
}

// Users who may not list the documents of _users cannot list them with a function either.
func TestListOfUsers(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "couchdb/users_db_security_editable", "true")})
	if err := s.Access().CreateSystemDatabases(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants(t, call(s, "PUT", "/_users/_security", `{"admins":{},"members":{}}`, "Admin", ""), 200, "")
	wants(t, call(s, "PUT", "/_users/_design/d", `{"lists":{"l":"function(){var r,o=[];while(r=getRow())o.push(r.id);return o.join()}"}}`, "Admin", ""), 201, "")
	wants(t, call(s, "GET", "/_users/_design/d/_list/l/_all_docs", "", "Admin", ""), 200, "_design/d")
	for _, path := range []string{"/_users/_design/d/_list/l/_all_docs", "/_users/_design/d/_list/l/d/_all_docs", "/_users/_design/d/_list/l/%5Fall_docs"} {
		wants(t, call(s, "GET", path, ""), 401, "unauthorized")
		wants(t, call(s, "POST", path, `{"keys":["_design/d"]}`), 401, "unauthorized")
	}
}

// A database's administrators write functions, and its users call them. So functions get no
// credentials of users, and a page that they write cannot act for the person who looks at it.
func TestFunctionsGetNoCredentials(t *testing.T) {
	t.Parallel()
	s := designServer(t, Options{}, `"updates":{"u":"function(doc,req){return [null,JSON.stringify(req)]}"},
		"shows":{"s":"function(doc,req){return {headers:{'Content-Security-Policy':\"default-src *\",'X-Content-Type-Options':'none'},body:'<script>'}}"}`)
	got := wants(t, call(s, "POST", "/db/_design/d/_update/u", "x", "Admin", "", "Cookie", "AuthSession=; mine=1", "X-Auth-CouchDB-Token", "signature", "X-Other", "shown"), 200, `"X-Other":"shown"`)
	for _, secret := range []string{"Authorization", "Basic ", "AuthSession", "signature"} {
		if strings.Contains(got, secret) {
			t.Errorf("a function is given %s: %s", secret, got)
		}
	}
	if !strings.Contains(got, `"cookie":{"mine":"1"}`) || !strings.Contains(got, `"Cookie":"mine=1"`) {
		t.Errorf("a function is not given a cookie of its own: %s", got)
	}
	h := call(s, "GET", "/db/_design/d/_show/s", "", "Admin", "").Header()
	if got := strings.Join(h["Content-Security-Policy"], " + "); got != "sandbox + default-src *" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s, %v", got, h)
	}
}

// A list goes over more rows than are kept in memory, and may stop before their end.
func TestListOfManyRows(t *testing.T) {
	t.Parallel()
	const n = 5000
	s := viewServer(t, n)
	lists := `{"lists":{"count":"function(){var n=0;while(getRow())n++;return n}","first":"function(){return getRow().id}","none":"function(){return 'none'}"}}`
	if w := call(s, "PUT", "/db/_design/l", lists, "Admin", ""); w.Code != 201 {
		t.Fatal(w.Code, w.Body)
	}
	for list, want := range map[string]string{"count": fmt.Sprint(n), "first": "d0000", "none": "none"} {
		if w := call(s, "GET", "/db/_design/l/_list/"+list+"/d/v?reduce=false&include_docs=true", "", "Admin", ""); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %.200s", list, w.Code, w.Body)
		}
	}
}

// Heartbeats come while a filter finds nothing, and a row comes as soon as there is one.
func TestFilterOfAFeed(t *testing.T) {
	t.Parallel()
	s := designServer(t, Options{}, `"filters":{"f":"function(doc,req){var end=Date.now()+Number(req.query.ms||0);while(Date.now()<end);return doc.pass===req.query.want}"}`)
	var docs []string
	for i := range 300 {
		docs = append(docs, fmt.Sprintf(`{"_id":"%d"}`, i))
	}
	if w := call(s, "POST", "/db/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`, "Admin", ""); w.Code != 201 {
		t.Fatal(w.Code)
	}
	server := httptest.NewServer(s)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/db/_changes?feed=continuous&filter=d/f&want=yes&ms=2&heartbeat=100", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != "" {
		t.Fatalf("first %q, want a heartbeat: %v", lines.Text(), lines.Err())
	}
	if w := call(s, "PUT", "/db/yes", `{"pass":"yes"}`, "Admin", ""); w.Code != 201 {
		t.Fatal(w.Code)
	}
	for lines.Scan() {
		if line := lines.Text(); line != "" {
			if !strings.Contains(line, `"id":"yes"`) {
				t.Errorf("row %s", line)
			}
			return
		}
	}
	t.Errorf("no row came: %v", errors.Join(lines.Err(), ctx.Err()))
}
