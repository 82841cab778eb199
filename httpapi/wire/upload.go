package wire

import (
	"errors"
	"io"
	"net/http"
)

var errCutShort = BadRequest("The attachment was cut short")

// upload is a body whose bytes go to disk as they come. The error of a read is already what
// the client is told, so that it is not taken for one of the disk.
type upload struct{ in io.Reader }

// UploadOf is the body of a request that is one attachment.
func UploadOf(w http.ResponseWriter, r *http.Request) io.Reader {
	return upload{http.MaxBytesReader(w, r.Body, SettingsOf(r).MaxRequestSize)}
}

func (u upload) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	switch _, tooLarge := errors.AsType[*http.MaxBytesError](err); {
	case err == nil, err == io.EOF, errors.Is(err, errStalled):
		return n, err
	case tooLarge:
		return n, ErrBodyTooLarge
	}
	return n, errCutShort // whatever package http found wrong, or the connection has gone
}
