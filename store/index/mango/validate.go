package mango

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/script"
)

// A design document of the language "query" may have a selector as its validate_doc_update. It
// selects edits that are acceptable: objects with the members newDoc and, unless the document
// is new, oldDoc.

// validation is the compiled selector of a design document.
type validation struct {
	selector *Selector
	err      error
}

// validationKey is the key for it in design.Document.Once.
type validationKey struct{}

// CompileValidation compiles a validate_doc_update, a JSON object that has been checked. The
// error is an *Error.
func CompileValidation(raw []byte) (*Selector, error) {
	s, err := Compile(raw)
	if err != nil {
		return nil, err
	}
	for _, f := range s.Fields() {
		if p, err := parsePath(f); err != nil || len(p) == 0 || p[0] != "newDoc" && p[0] != "oldDoc" {
			return nil, &Error{"invalid_selector", "`validate_doc_update` may only have conditions on newDoc and oldDoc, not on: " + f}
		}
	}
	return s, nil
}

// Validate judges an edit by the selector of a design document. A refusal is a *script.Error, as
// that of a validation function is. A selector that is none refuses everything.
func Validate(ctx context.Context, d *design.Document, e design.Proposed) error {
	v := d.Once(validationKey{}, func() any {
		s, err := CompileValidation(d.Validation)
		return validation{s, err}
	}).(validation)
	if wrong, ok := errors.AsType[*Error](v.err); ok {
		return &script.Error{Kind: script.Compilation, Word: "compilation_error", Reason: d.ID + ": " + wrong.Reason}
	}
	if v.err != nil {
		return v.err
	}
	edit := append([]byte(`{"newDoc":`), e.New...)
	if e.Old != nil {
		edit = append(append(edit, `,"oldDoc":`...), e.Old...)
	}
	edit = append(edit, '}')
	ok, err := v.selector.match(ctx, subject{value: edit})
	if err == nil && !ok {
		err = &script.Error{Kind: script.Forbidden, Word: "forbidden", Reason: "document is not valid"}
	}
	return err
}

// CheckValidation judges the body of a design document that is about to be written.
func CheckValidation(body []byte) error {
	d := design.Parse("", body)
	if d.Language != Language || jsonscan.Kind(d.Validation) != '{' {
		return nil
	}
	_, err := CompileValidation(d.Validation)
	return err
}
