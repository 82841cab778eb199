package replicate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// A document goes in the body of a request, so its id may have any length. But its attachments
// are requested and sent by URL, and servers limit its length: CouchDB to 8 KiB, this server to
// 64 KiB. A document whose URL is too long is refused, and the replication goes on without it.

// longURL says that a peer does not take the URL of a document.
type longURL struct {
	peer string
	size int
	err  error // what happened
}

func (e *longURL) Error() string {
	return fmt.Sprintf("the document has attachments, and its URL of %d bytes is too long for %s: %v", e.size, e.peer, e.err)
}

func (e *longURL) Unwrap() error { return e.err }

// certainURL is a length of a URL that every server takes.
const certainURL = 7000

// judgeURL finds out whether a request failed because its URL is too long. Some servers just close
// the connection then, so judgeURL asks the peer whether it is there at all.
func (p *remotePeer) judgeURL(ctx context.Context, path dbPath, err error) error {
	if err == nil || len(path) <= certainURL || ctx.Err() != nil {
		return err
	}
	if s, ok := errors.AsType[*StatusError](err); ok {
		if s.Status != http.StatusRequestURITooLong && s.Status != http.StatusRequestHeaderFieldsTooLarge && s.Status != http.StatusBadRequest {
			return err
		}
	} else if _, gone := p.Info(ctx); gone != nil {
		return err
	}
	return &longURL{p.Name(), len(path), err}
}
