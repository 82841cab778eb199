package design

import (
	"context"

	"github.com/tododb/tododb/store/script"
)

// foreign is the functions of a design document in a language that nothing here runs. None can
// be called: a rule that cannot be asked does not let documents in.
type foreign struct{ language string }

func (f foreign) err() error {
	return &script.Error{Kind: script.Compilation, Word: "unknown_query_language", Reason: f.language}
}

// Validate is part of script.Runner, as are the others.
func (f foreign) Validate(context.Context, []byte, []byte, []byte, []byte) error { return f.err() }

func (f foreign) Filter(context.Context, string, []byte) (script.Matcher, error) {
	return nil, f.err()
}

func (f foreign) ViewFilter(context.Context, string) (script.Matcher, error) { return nil, f.err() }

func (f foreign) Update(context.Context, string, []byte, []byte) ([]byte, script.Response, error) {
	return nil, script.Response{}, f.err()
}

func (f foreign) Show(context.Context, string, []byte, []byte) (script.Response, error) {
	return script.Response{}, f.err()
}

func (f foreign) Rewrite(context.Context, []byte) ([]byte, error) { return nil, f.err() }

func (f foreign) List(context.Context, script.ListCall, script.RowReader, script.ListWriter) error {
	return f.err()
}
