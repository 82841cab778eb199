package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/store/document"
)

var ErrBodyTooLarge = Errorf(http.StatusRequestEntityTooLarge, "too_large", "the request entity is too large")

// MaxOpenBody is how long a body may be that is read before we know who sends it.
const MaxOpenBody = 64 << 10

// workFactor is how many bytes of memory each byte of JSON is assumed to need while we work on
// it: for what is read from it, what is stored, and what the answer repeats.
const workFactor = 4

// ReadBody reads and decompresses the whole body. The bytes are valid until the handler has
// returned. To keep them longer, use ReadKeptBody.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := TakeBody(w, r, SettingsOf(r).MaxRequestSize, nil)
	if err != nil {
		return nil, err
	}
	return body.Bytes(), Work(r, int64(len(body.Bytes())))
}

// ReadKeptBody is like ReadBody, but the caller may keep the bytes. They are in memory, so
// there may be no more than a document may have.
func ReadKeptBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	set := SettingsOf(r)
	body, err := TakeBody(w, r, min(set.MaxRequestSize, max(set.MaxDocumentSize, MaxOpenBody)), nil)
	if err != nil {
		return nil, err
	}
	if !body.Mapped() {
		return body.Bytes(), nil
	}
	if err := Work(r, int64(len(body.Bytes()))); err != nil {
		return nil, err
	}
	return bytes.Clone(body.Bytes()), nil
}

// TakeBody reads a body of at most limit bytes. watch sees the bytes of a long body as they
// arrive. The body is released when the handler has returned.
func TakeBody(w http.ResponseWriter, r *http.Request, limit int64, watch func([]byte) error) (*intake.Body, error) {
	if r.ContentLength > limit {
		return nil, ErrBodyTooLarge
	}
	// One byte more than the limit comes through, so we can tell reaching it from exceeding it.
	// A body that says that it is shorter is cut there by package http.
	in := io.Reader(r.Body)
	ahead := r.ContentLength
	if ahead < 0 {
		in = http.MaxBytesReader(w, r.Body, limit)
	}
	switch coding := ContentCoding(r); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := intake.Unpack(in)
		if err != nil {
			return nil, BodyError(err)
		}
		defer z.Close()
		in, ahead = z, min(4*ahead, intake.Free) // the announced length is the compressed one
	default:
		return nil, Errorf(http.StatusUnsupportedMediaType, "bad_content_type", "%s is not a supported content encoding.", coding)
	}
	return TakeIn(r, in, ahead, limit, watch)
}

// TakeIn is TakeBody for the content of a body or of a part of one.
func TakeIn(r *http.Request, in io.Reader, ahead, limit int64, watch func([]byte) error) (*intake.Body, error) {
	x := ExchangeOf(r)
	body, err := intake.Read(in, intake.Reading{Budget: x.shared.settings().Budget, Spool: x.shared.opt.Spool, Ahead: ahead, Limit: limit, Watch: watch})
	if err != nil {
		return nil, BodyError(err)
	}
	x.holds(body)
	return body, nil
}

// Work waits for the memory that it takes to work on this many bytes of JSON. The request holds
// it until the answer begins.
func Work(r *http.Request, bytes int64) error {
	if bytes <= intake.Free {
		return nil
	}
	x := ExchangeOf(r)
	x.share.Release()
	var err error
	x.share, err = x.shared.settings().Budget.Work(r.Context(), workFactor*bytes)
	return err
}

// ValidID checks the id of a document that a request is about to write.
func ValidID(r *http.Request, id string) error {
	if int64(len(id)) > SettingsOf(r).MaxIDLength {
		return document.ErrIDTooLong
	}
	return document.ValidID(id)
}

// ReadDocument reads a document from the body of a request.
func ReadDocument(w http.ResponseWriter, r *http.Request, opt document.Options) (document.Doc, error) {
	opt.MaxSize, opt.MaxID = SettingsOf(r).MaxDocumentSize, SettingsOf(r).MaxIDLength
	var meter *document.Meter // nil until the body turns out to be long
	body, err := TakeBody(w, r, SettingsOf(r).MaxRequestSize, func(p []byte) error {
		if meter == nil {
			meter = document.NewMeter(opt)
		}
		return meter.Add(p)
	})
	if err != nil {
		return document.Doc{}, err
	}
	return ParseDocument(r, body, meter, opt)
}

// ParseDocument reads a document from a body that the meter has watched, if it is long.
func ParseDocument(r *http.Request, body *intake.Body, meter *document.Meter, opt document.Options) (document.Doc, error) {
	size := len(body.Bytes())
	if body.Mapped() {
		size = int(meter.Measure().Largest)
		opt.Expect = size + 1
	}
	if err := Work(r, int64(size)); err != nil {
		return document.Doc{}, err
	}
	return document.Parse(body.Bytes(), opt)
}

// ContentCoding returns the encoding of a body in lower case.
func ContentCoding(r *http.Request) string {
	return strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
}

// BodyError returns the answer for a body that could not be read.
func BodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, intake.ErrTooLarge) {
		return ErrBodyTooLarge
	}
	if e, ok := errors.AsType[*document.Error](err); ok {
		return e
	}
	for _, known := range []error{errStalled, intake.ErrBomb, intake.ErrNoRoom, intake.ErrSpool, intake.ErrBusy, context.Canceled} {
		if errors.Is(err, known) {
			return err
		}
	}
	return BadRequest("The request body could not be read: %s", err)
}

// EndWork gives back the memory for work. So a client that is slow to take the answer, or to
// send the rest of its request, keeps nobody waiting.
func (x *Exchange) EndWork() { x.share.Release() }

// WorkOn waits for memory as Work does, even for a few bytes.
func WorkOn(r *http.Request, bytes int64) (err error) {
	x := ExchangeOf(r)
	x.share, err = x.shared.settings().Budget.Work(r.Context(), workFactor*bytes)
	return err
}

// holds makes the exchange release a body when its handler has returned.
func (x *Exchange) holds(body *intake.Body) {
	x.bodies = append(x.bodies, body)
	if body.Mapped() {
		// If the disk cannot be read, then only this request fails.
		debug.SetPanicOnFault(true)
	}
}

// LetGo releases what the exchange holds.
func (x *Exchange) LetGo() (err error) {
	x.share.Release()
	x.room.Release()
	for _, body := range x.bodies {
		if body.Mapped() {
			debug.SetPanicOnFault(false)
		}
		err = errors.Join(err, body.Close())
	}
	x.bodies = nil
	return err
}
