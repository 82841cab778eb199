package design

import (
	"context"
	"slices"
	"strings"
)

// Set holds the design documents of a database in one state.
type Set struct {
	design     uint64 // store.DB.Design
	docs       []*Document
	validators []*Document
	size       int64 // bytes that it takes, approximately
}

// docSize is roughly what a design document takes besides its bytes.
const docSize = 1 << 10

func (s *Set) add(d *Document) {
	s.docs = append(s.docs, d)
	s.size += int64(len(d.Body)) + docSize
	if d.Validates() {
		s.validators = append(s.validators, d)
	}
}

// All returns the documents in the order of their ids.
func (s *Set) All() []*Document { return s.docs }

// Get finds a document by its id; nil if there is none.
func (s *Set) Get(id string) *Document {
	i, found := slices.BinarySearchFunc(s.docs, id, func(d *Document, id string) int { return strings.Compare(d.ID, id) })
	if !found {
		return nil
	}
	return s.docs[i]
}

// Validates reports whether there are validation functions or selectors.
func (s *Set) Validates() bool { return len(s.validators) > 0 }

// Proposed is an edit for validation functions to judge, as JSON.
type Proposed struct {
	New, Old []byte // of the document; Old is nil for a new one
	UserCtx  []byte
	Security []byte
}

// Validate asks all validation functions, in the order of the documents' ids; the first refusal
// counts. A document of the language "query" has a selector instead, which bySelector judges by.
func (s *Set) Validate(ctx context.Context, e Proposed, bySelector func(context.Context, *Document, Proposed) error) error {
	for _, d := range s.validators {
		var err error
		if d.selects() {
			err = bySelector(ctx, d, e)
		} else {
			err = d.Validate(ctx, e.New, e.Old, e.UserCtx, e.Security)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
