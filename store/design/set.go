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

// Validates reports whether there are validation functions.
func (s *Set) Validates() bool { return len(s.validators) > 0 }

// Validate asks all validation functions, in the order of the documents' ids; the first refusal
// counts.
func (s *Set) Validate(ctx context.Context, newDoc, oldDoc, userCtx, secObj []byte) error {
	for _, d := range s.validators {
		if err := d.Validate(ctx, newDoc, oldDoc, userCtx, secObj); err != nil {
			return err
		}
	}
	return nil
}
