package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strconv"
)

// A load makes requests for next to nothing, so that a figure is the server's own where the client has the
// same processors. It has one connection, and one request at a time.
type load struct {
	conn  net.Conn
	in    *bufio.Reader
	out   []byte
	login string
}

func newLoad(p *process) (*load, error) {
	conn, err := net.Dial("tcp", p.address())
	if err != nil {
		return nil, err
	}
	login := base64.StdEncoding.EncodeToString([]byte(testUser + ":" + testPassword))
	return &load{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), login: "\r\nHost: tododb\r\nAuthorization: Basic " + login}, nil
}

func (l *load) close() { l.conn.Close() }

// do makes a request, whose answer must not be an error.
func (l *load) do(method, path, body string) error {
	l.out = append(append(append(append(append(l.out[:0], method...), ' '), path...), " HTTP/1.1"...), l.login...)
	if body != "" {
		l.out = strconv.AppendInt(append(l.out, "\r\nContent-Type: application/json\r\nContent-Length: "...), int64(len(body)), 10)
	}
	l.out = append(append(l.out, "\r\n\r\n"...), body...)
	if _, err := l.conn.Write(l.out); err != nil {
		return err
	}
	line, err := l.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 12 || line[9] != '2' {
		return fmt.Errorf("%s %s: %s", method, path, line)
	}
	length := int64(-1) // chunked
	for {
		if line, err = l.in.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(": ")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err != nil {
				return err
			}
		}
	}
	if length >= 0 {
		_, err = l.in.Discard(int(length))
		return err
	}
	for {
		if line, err = l.in.ReadSlice('\n'); err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, l.in, n+2); err != nil || n == 0 {
			return err
		}
	}
}
