package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// A peer may belong to anybody, and may answer anything for as long as it likes. So answers
// have limits: one for an answer that is read as a whole, and one for each piece of an answer
// that is read in pieces. Pieces are documents. All replications share one process, so large
// pieces are read one at a time.
const (
	maxAnswer  = 16 << 20 // bytes of an answer that is read as a whole
	maxPiece   = 32 << 20 // bytes of one document
	largePiece = 1 << 20  // bytes; only one piece may be larger at a time
)

// errTooLong says that a peer's answer is longer than any real one.
var errTooLong = errors.New("it is too long")

// large is held while a large piece is read and used.
var large = make(chan struct{}, 1)

// readAnswer reads the whole of an answer.
func readAnswer(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = malformed(errTooLong)
	}
	return b, err
}

// answerReader reads an answer and enforces the limit.
type answerReader struct {
	ctx   context.Context
	r     io.Reader
	read  int64 // of this piece
	bound int64
	holds bool
}

// Read waits before it reads the rest of a large piece, until nobody else reads a large piece.
func (a *answerReader) Read(p []byte) (int, error) {
	if a.read >= a.bound {
		return 0, errTooLong
	}
	if a.read >= largePiece && a.bound > maxAnswer && !a.holds {
		select {
		case large <- struct{}{}:
			a.holds = true
		case <-a.ctx.Done():
			return 0, a.ctx.Err()
		}
	}
	n, err := a.r.Read(p)
	a.read += int64(n)
	return n, err
}

// next says that the caller is done with what was read so far.
func (a *answerReader) next() {
	a.read = 0
	if a.holds {
		a.holds = false
		<-large
	}
}

// answer reads JSON from a peer, value by value.
type answer struct {
	*jsontext.Decoder
	in     *answerReader
	pieces bool // the limit is for each element, not for the whole
}

func newAnswer(ctx context.Context, r io.Reader, pieces bool) *answer {
	in := &answerReader{ctx: ctx, r: r, bound: maxAnswer}
	if pieces {
		in.bound = maxPiece
	}
	return &answer{jsontext.NewDecoder(in, jsontext.AllowDuplicateNames(true)), in, pieces}
}

// done lets others read large pieces.
func (a *answer) done() { a.in.next() }

// eachMember walks an object as it arrives.
func (a *answer) eachMember(fn func(name string) error) error {
	tok, err := a.ReadToken()
	if err != nil {
		return malformed(err)
	}
	if tok.Kind() != '{' {
		return malformed(fmt.Errorf("it is not an object: it begins with %v", tok.Kind()))
	}
	for a.PeekKind() != '}' {
		tok, err := a.ReadToken()
		if err != nil {
			return malformed(err)
		}
		if err := fn(tok.String()); err != nil {
			return err
		}
	}
	_, err = a.ReadToken() // the closing brace: the answer is whole
	return malformed(err)
}

// eachElement walks an array as it arrives.
func (a *answer) eachElement(fn func() error) error {
	tok, err := a.ReadToken()
	if err != nil {
		return malformed(err)
	}
	if tok.Kind() != '[' {
		return malformed(fmt.Errorf("it has %v instead of a list", tok.Kind()))
	}
	for a.PeekKind() != ']' {
		if err := fn(); err != nil {
			return err
		}
		if a.pieces {
			a.in.next()
		}
	}
	_, err = a.ReadToken()
	return malformed(err)
}

// value reads one value as a whole. It is valid until the next is read.
func (a *answer) value() (jsontext.Value, error) {
	raw, err := a.ReadValue()
	return raw, malformed(err)
}
