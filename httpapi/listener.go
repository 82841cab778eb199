package httpapi

import (
	"bytes"
	"net"
	"strconv"

	"github.com/tododb/tododb/httpapi/wire"
)

// Listener wraps a server's listener. Package http itself answers requests that it cannot read,
// such as those with a bad percent escape in the path or too large a header. Listener turns
// these errors into JSON like all others.
func Listener(l net.Listener) net.Listener { return jsonListener{l} }

type jsonListener struct{ net.Listener }

func (l jsonListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &jsonConn{c}, nil
}

type jsonConn struct{ net.Conn }

// What package http sends in such a case, in one piece: the status line, these headers,
// and the status again as text. No handler's answer looks like this, because ServeHTTP sets
// other headers.
const rejectHeaders = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

func (c *jsonConn) Write(b []byte) (int, error) {
	if len(b) > 1024 || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
		return c.Conn.Write(b)
	}
	// Look right after the first line and nowhere else: an attachment may have these bytes too.
	end := bytes.IndexByte(b, '\r')
	if end < len("HTTP/1.1 400") || !bytes.HasPrefix(b[end:], []byte(rejectHeaders)) {
		return c.Conn.Write(b)
	}
	line, text := b[:end], b[end+len(rejectHeaders):]
	if _, err := c.Conn.Write(rejection(line, text)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func rejection(line, text []byte) []byte {
	word, reason := "bad_request", string(text)
	switch status := string(line[len("HTTP/1.1 "):len("HTTP/1.1 400")]); status {
	case "431":
		word = "request_header_too_large"
	case "400":
		if bytes.Contains(text, []byte("URL escape")) || string(text) == "400 Bad Request" {
			reason = "invalid_url_encoding, or another fault in the first line or the headers of the request"
		}
	case "505", "501", "417":
		word = "not_supported"
	}
	body := wire.AppendString([]byte(`{"error":`), word)
	body = append(wire.AppendString(append(body, `,"reason":`...), reason), "}\n"...)
	b := append([]byte(nil), line...)
	b = append(b, "\r\nServer: CouchDB/"+wire.CouchVersion+" (tododb)\r\nContent-Type: application/json\r\nCache-Control: must-revalidate\r\nConnection: close\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	return append(append(b, "\r\n\r\n"...), body...)
}

// CloseWrite lets package http end a connection without losing an answer that is on its way.
func (c *jsonConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
