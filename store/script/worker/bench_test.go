package worker_test

import (
	"testing"

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
