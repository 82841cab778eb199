package write

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

// Handler helps clients that may have to repeat a request. A write with an Idempotency-Key is done once, and repetitions get the
// recorded answer. A conflict is explained to clients that prefer that.

// idempotency is the Idempotency-Key of a request and the hash of what it asks for.
type idempotency struct {
	key  [sha256.Size]byte
	hash hash.Hash
	body io.ReadCloser // the request's
}

type onceKey struct{}

// KeyOf returns the Idempotency-Key of a request; nil if it has none or needs none.
func KeyOf(r *http.Request) *idempotency {
	i, _ := r.Context().Value(onceKey{}).(*idempotency)
	return i
}

func (i *idempotency) Read(b []byte) (int, error) {
	n, err := i.body.Read(b)
	i.hash.Write(b[:n])
	return n, err
}

func (i *idempotency) Close() error { return i.body.Close() }

// fingerprint reads the rest of the body and returns the hash of the whole request.
func fingerprint(w http.ResponseWriter, r *http.Request, i *idempotency) (sum [sha256.Size]byte, err error) {
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, wire.SettingsOf(r).MaxRequestSize)); err != nil {
		return sum, wire.BodyError(err)
	}
	i.hash.Sum(sum[:0])
	return sum, nil
}

// maxKeyLength is how long an Idempotency-Key may be.
const maxKeyLength = 255

var errIdempotencyKey = wire.BadRequest("Idempotency-Key must be one value of 1 to %d visible ASCII characters", maxKeyLength)

// idempotencyOf reads the Idempotency-Key. It returns nil if there is none or if the request
// may be repeated anyway. A key counts only for its user, method and path.
func idempotencyOf(r *http.Request) (*idempotency, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxKeyLength || strings.ContainsFunc(key, func(c rune) bool { return c < 0x21 || c > 0x7e }) {
		return nil, errIdempotencyKey
	}
	if len(key) > 2 && key[0] == '"' && key[len(key)-1] == '"' {
		key = key[1 : len(key)-1]
	}
	h := r.Header
	i := &idempotency{hash: sha256.New(), body: r.Body}
	// The quotes keep the values apart.
	i.key = sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", wire.UserOf(r).Name, r.Method, r.URL.EscapedPath(), key))
	// The fingerprint is stored, and the body may contain a password. The key is not stored, so
	// nobody can guess the password from the fingerprint.
	fmt.Fprintf(i.hash, "%q %q %q %q %q %q ", key, r.URL.RawQuery, h.Get("Content-Type"), h.Get("Content-Encoding"), h.Get("If-Match"), h.Get("Destination"))
	return i, nil
}

// Handler wraps a handler that writes documents.
func Handler(a *access.Access, h wire.Handler) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := once(a, h, w, r)
		if e, ok := errors.AsType[*Conflict](err); ok && PrefersRepresentation(r) {
			return explainConflict(a, w, r, e)
		}
		return err
	}
}

// once does what the request asks for. If its Idempotency-Key was used before, it gives the
// same answer again.
func once(a *access.Access, h wire.Handler, w http.ResponseWriter, r *http.Request) error {
	i, err := idempotencyOf(r)
	if err != nil {
		return err
	}
	if i == nil {
		return h(w, r)
	}
	db, err := a.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	r.Body = i
	found, err := db.Repeated(r.Context(), i.key)
	if err != nil {
		return err
	}
	if found == nil {
		err := h(w, r.WithContext(context.WithValue(r.Context(), onceKey{}, i)))
		var is bool
		if found, is = errors.AsType[*store.Repeated](err); !is {
			return err
		}
	} else {
		fingerprint, err := fingerprint(w, r, i)
		if err != nil {
			return err
		}
		if fingerprint != found.Fingerprint {
			return store.ErrOtherRequest
		}
	}
	answer, err := decodeAnswer(found.Answer)
	if err != nil {
		return fmt.Errorf("recorded answer: %w", err)
	}
	w.Header()["Idempotency-Replayed"] = []string{"true"}
	return answer.Send(w, r)
}

// OptionsOf returns the options of a request's write. answer makes the answer, or returns an
// error to answer with. An answer without status is not recorded.
func OptionsOf(w http.ResponseWriter, r *http.Request, answer func([]store.Result) (Answer, error)) (opt store.WriteOptions, err error) {
	i := KeyOf(r)
	if i == nil {
		return opt, nil
	}
	opt.Once = &store.Once{Key: i.key, Answer: func(results []store.Result, err error) []byte {
		var a Answer
		if err == nil {
			a, err = answer(results)
		}
		if err != nil {
			a = errorAnswer(err)
		}
		if a.Status == 0 {
			return nil
		}
		return a.encode()
	}}
	opt.Once.Fingerprint, err = fingerprint(w, r, i)
	return opt, err
}

// One is the only edit of a request.
type One struct {
	Edit       store.Edit
	Replicated bool // new_edits=false: it comes with its path
	// Answer makes the answer of the edit's result, or returns an error to answer with. It may be
	// called within the transaction.
	Answer func(store.Result) (Answer, error)
}

// Write writes the edit and answers.
func (o *One) Write(w http.ResponseWriter, r *http.Request, db *store.DB) error {
	var opt store.WriteOptions
	if KeyOf(r) != nil {
		var err error
		if opt, err = OptionsOf(w, r, func(results []store.Result) (Answer, error) { return o.Answer(results[0]) }); err != nil {
			return err
		}
	}
	opt.Replicated = o.Replicated
	result, err := db.Put(r.Context(), o.Edit, opt)
	if err != nil && result.Err == nil {
		return err
	}
	wire.NoteWritten(r, []store.Result{result})
	a, err := o.Answer(result)
	if errors.Is(err, store.ErrConflict) {
		return &Conflict{ID: o.Edit.Doc.ID, Given: wire.GivenRev(&o.Edit.Doc)}
	}
	if err != nil {
		return err
	}
	return a.Send(w, r)
}
