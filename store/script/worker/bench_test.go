package worker_test

import (
	"testing"
	"time"

	"github.com/tododb/tododb/store/script"
	"github.com/tododb/tododb/store/script/worker"
)

// BenchmarkValidate is what the validation of one write costs.
func BenchmarkValidate(b *testing.B) {
	for name, host := range map[string]script.Host{"here": script.InProcess(script.Options{}), "worker": newPool(b, worker.Options{})} {
		d := design(host, map[string]any{"validate_doc_update": `function(n,o,u){if(!n.type)throw({forbidden:'type'});if(o&&o.type!==n.type)throw({forbidden:'changed'})}`})
		doc := []byte(`{"_id":"a","type":"todo","owner":"user0001","n":12,"done":false,"tags":["alpha","bravo"],"text":"some text some text some text"}`)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := d.Validate(b.Context(), doc, doc, []byte(`{"name":"a","roles":[]}`), []byte("{}")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLoops is what loops cost that an engine without ropes and chunked arrays is slow at.
func BenchmarkLoops(b *testing.B) {
	for name, body := range map[string]string{
		"concat":  `var s='';for(var i=0;i<100000;i++)s+='ab';emit(s.length)`,
		"unshift": `var a=[];for(var i=0;i<30000;i++)a.unshift(i);emit(a.length)`,
		"shift":   `var a=[];for(var i=0;i<30000;i++)a.push(i);while(a.length)a.shift();emit(0)`,
	} {
		b.Run(name, func(b *testing.B) {
			v := newPool(b, worker.Options{Timeout: time.Minute}).Views("db", []script.ViewFunctions{{Name: "v", Map: "function(d){" + body + "}"}}, nil)
			for b.Loop() {
				if _, err := rowsOf(b, v, `{"_id":"a","_rev":"1-a"}`); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
