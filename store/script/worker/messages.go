package worker

import (
	"github.com/tododb/tododb/store/script"
)

// version is the version of the messages. A worker from another binary is refused.
const version = 2

// Kinds of frames to a worker. The first frame must be one that loads.
const (
	loadDesign  byte = iota + 1 // body
	loadViews                   // lib, count, each: name, map, reduce, raw
	askCheck                    // do the functions of the views compile?
	askValidate                 // new, old, userCtx, secObj
	askFilter                   // of a view?, name, req: the filter for askMatch
	askMatch                    // document
	askUpdate                   // name, document, req
	askShow                     // name, document, req
	askRewrite                  // req
	askList                     // name, head, req
	giveRows                    // in answer to wantRows: are there more?, count, each a row
	askMap                      // count, each a document
	askReduce                   // view, count, each a reduction
)

// Kinds of frames from a worker.
const (
	ready    byte = iota + 1 // version; once, before all others
	result                   // the last of a call; its fields depend on the request
	failure                  // the last of a call: an error
	logged                   // level, message, count, each: name and value
	mapped                   // count of documents, each: count of rows, each: view, order, key, value
	judged                   // count of documents, each: does it pass?
	reduced                  // count, each: the result of a reduction
	begins                   // of a list: its response
	chunk                    // of a list: bytes
	wantRows                 // of a list
)

func appendError(b []byte, e *script.Error) []byte {
	b = appendNumber(b, int(e.Kind))
	b = appendBytes(b, e.Word)
	b = appendBytes(b, e.Reason)
	b = appendOptional(b, e.Value)
	return appendBool(b, e.Fatal)
}

func (f *fields) error() *script.Error {
	e := &script.Error{Kind: script.Kind(f.number()), Word: f.text(), Reason: f.text()}
	if v := f.bytes(); v != nil {
		e.Value = append([]byte{}, v...)
	}
	e.Fatal = f.yes()
	return e
}

func appendResponse(b []byte, r *script.Response) []byte {
	b = appendNumber(b, min(max(r.Code, 0), 1<<20)) // no code above 599 is valid
	b = appendNumber(b, len(r.Headers))
	for _, h := range r.Headers {
		b = appendBytes(appendBytes(b, h.Name), h.Value)
	}
	b = appendOptional(b, r.Body)
	b = appendBytes(b, r.Type)
	return appendBool(b, r.NoBody)
}

func (f *fields) response() (r script.Response) {
	r.Code = f.number()
	for range f.atMost(script.MaxHeaders) {
		r.Headers = append(r.Headers, script.Header{Name: f.text(), Value: f.text()})
	}
	if v := f.bytes(); v != nil {
		r.Body = append([]byte{}, v...)
	}
	r.Type = f.text()
	r.NoBody = f.yes()
	return r
}

func appendViews(b []byte, views []script.ViewFunctions, lib []byte) []byte {
	b = appendNumber(appendOptional(b, lib), len(views))
	for _, v := range views {
		b = appendBool(appendBytes(appendBytes(appendBytes(b, v.Name), v.Map), v.Reduce), v.Raw)
	}
	return b
}

func (f *fields) views() (views []script.ViewFunctions, lib []byte) {
	lib = f.bytes()
	for range f.count() {
		views = append(views, script.ViewFunctions{Name: f.text(), Map: f.text(), Reduce: f.text(), Raw: f.yes()})
	}
	return views, lib
}

func appendReductions(b []byte, view int, all []script.Reduction) []byte {
	b = appendNumber(appendNumber(b, view), len(all))
	for i := range all {
		r := &all[i]
		b = appendList(appendBool(b, r.Final), r.Parts)
		b = appendNumber(b, len(r.Runs))
		for _, rows := range r.Runs {
			b = appendNumber(b, len(rows.Keys))
			for _, k := range rows.Keys {
				b = appendBytes(appendBytes(b, k.Key), k.ID)
			}
			b = appendList(b, rows.Values)
		}
	}
	return b
}

func (f *fields) reductions() (view int, all []script.Reduction) {
	view = f.number()
	for range f.count() {
		r := script.Reduction{Final: f.yes(), Parts: f.list()}
		for range f.count() {
			var rows script.Rows
			for range f.count() {
				rows.Keys = append(rows.Keys, script.ReduceKey{Key: f.bytes(), ID: f.text()})
			}
			rows.Values = f.list()
			r.Runs = append(r.Runs, rows)
		}
		all = append(all, r)
	}
	return view, all
}

func appendReduced(b []byte, r script.Reduced) []byte {
	if r.Err != nil {
		return appendError(appendBool(b, false), r.Err)
	}
	return appendBytes(appendBool(b, true), r.Value)
}

func (f *fields) reduced() (r script.Reduced) {
	if f.yes() {
		r.Value = append([]byte{}, f.bytes()...)
	} else {
		r.Err = f.error()
	}
	return r
}

func appendList(b []byte, list [][]byte) []byte {
	b = appendNumber(b, len(list))
	for _, v := range list {
		b = appendOptional(b, v)
	}
	return b
}

func (f *fields) list() (list [][]byte) {
	for range f.count() {
		list = append(list, f.bytes())
	}
	return list
}
