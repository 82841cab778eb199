package worker

import (
	"errors"
	"fmt"
	"time"

	"github.com/tododb/tododb/store/script"
)

// answerDesign calls a function of the design document.
func (c *child) answerDesign(kind byte, f *fields) error {
	switch kind {
	case askValidate:
		newDoc, oldDoc, userCtx, secObj := f.bytes(), f.bytes(), f.bytes(), f.bytes()
		if err := f.end(); err != nil {
			return err
		}
		return c.done(nil, c.design.Validate(newDoc, oldDoc, userCtx, secObj))
	case askFilter:
		return c.openFilter(f)
	case askMatch:
		docs := f.list()
		if err := f.end(); err != nil {
			return err
		}
		if c.filter == nil {
			return errNotLoaded
		}
		return c.match(docs)
	case askUpdate:
		name, doc, req := f.text(), f.bytes(), f.bytes()
		if err := f.end(); err != nil {
			return err
		}
		write, resp, err := c.design.Update(name, doc, req)
		return c.done(func(b []byte) []byte { return appendResponse(appendOptional(b, write), &resp) }, err)
	case askShow:
		name, doc, req := f.text(), f.bytes(), f.bytes()
		if err := f.end(); err != nil {
			return err
		}
		resp, err := c.design.Show(name, doc, req)
		return c.done(func(b []byte) []byte { return appendResponse(b, &resp) }, err)
	case askRewrite:
		req := f.bytes()
		if err := f.end(); err != nil {
			return err
		}
		out, err := c.design.Rewrite(req)
		return c.done(func(b []byte) []byte { return appendBytes(b, out) }, err)
	case askList:
		return c.list(f)
	}
	return fmt.Errorf("%w: request %d", errFrame, kind)
}

// done answers with a result, or fails.
func (c *child) done(fields func(b []byte) []byte, err error) error {
	if err != nil {
		return asError(err)
	}
	return c.out.send(result, fields)
}

// asError makes sure that a function's error goes to the server as an answer.
func asError(err error) error {
	if _, ok := errors.AsType[*script.Error](err); ok {
		return err
	}
	return &script.Error{Kind: script.Thrown, Word: "unknown_error", Reason: err.Error()}
}

// openFilter keeps a filter for the documents that follow.
func (c *child) openFilter(f *fields) error {
	view, name := f.yes(), f.text()
	req := append([]byte{}, f.bytes()...)
	if err := f.end(); err != nil {
		return err
	}
	if c.filter != nil {
		c.filter.Release()
		c.filter = nil
	}
	var filter *script.Filter
	var err error
	if view {
		filter, err = c.design.NewViewFilter(name)
	} else {
		filter, err = c.design.NewFilter(name, req)
	}
	if err == nil {
		c.filter = filter
	}
	return c.done(nil, err)
}

// match judges documents. Verdicts go out before an error does.
func (c *child) match(docs [][]byte) error {
	var pass []byte
	sent := time.Now()
	flush := func() error {
		if len(pass) == 0 {
			return nil
		}
		err := c.out.send(judged, func(b []byte) []byte { return append(appendNumber(b, len(pass)), pass...) })
		pass, sent = pass[:0], time.Now()
		return err
	}
	for _, doc := range docs {
		ok, err := c.filter.Match(doc)
		if err != nil {
			return errors.Join(flush(), asError(err))
		}
		if pass = appendBool(pass, ok); time.Since(sent) >= flushEvery {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return c.done(nil, nil)
}

// list calls a list function. Rows come some at a time. What the function sends goes out when
// it asks for rows or when much has gathered.
func (c *child) list(f *fields) error {
	name := f.text()
	head, req := append([]byte{}, f.bytes()...), append([]byte{}, f.bytes()...)
	if err := f.end(); err != nil {
		return err
	}
	l := &childList{c: c, more: true}
	err := c.design.List(script.ListCall{Name: name, Head: head, Req: req}, l.row, l)
	if l.broken != nil {
		return l.broken
	}
	if ferr := l.flush(); ferr != nil {
		return ferr
	}
	return c.done(nil, err)
}

// childList is what a list function reads from and writes to.
type childList struct {
	c      *child
	rows   [][]byte
	more   bool // more rows are to come
	sent   []byte
	broken error // of the pipes
}

// flushBytes is how much of a list's output may gather.
const flushBytes = 32 << 10

func (l *childList) row() ([]byte, error) {
	if len(l.rows) == 0 && l.more && l.broken == nil {
		l.broken = l.ask()
	}
	if l.broken != nil {
		return nil, l.broken
	}
	if len(l.rows) == 0 {
		return nil, nil
	}
	row := l.rows[0]
	l.rows = l.rows[1:]
	return row, nil
}

func (l *childList) ask() error {
	if err := l.flush(); err != nil {
		return err
	}
	if err := l.c.out.send(wantRows, nil); err != nil {
		return err
	}
	kind, b, err := l.c.in.next()
	if err != nil {
		return err
	}
	f := fields{b: b}
	more, rows := f.yes(), f.list()
	if kind != giveRows || f.end() != nil {
		return errFrame
	}
	l.more, l.rows = more, l.rows[:0]
	for _, r := range rows {
		l.rows = append(l.rows, append([]byte{}, r...))
	}
	return nil
}

// Begin is part of script.ListWriter, as is Chunk.
func (l *childList) Begin(resp script.Response) error {
	return l.c.out.send(begins, func(b []byte) []byte { return appendResponse(b, &resp) })
}

func (l *childList) Chunk(b []byte) error {
	l.sent = append(l.sent, b...)
	if len(l.sent) < flushBytes {
		return nil
	}
	return l.flush()
}

// flush sends what has gathered, in pieces: output for a slow client waits here, and not in the
// server.
func (l *childList) flush() error {
	for rest := l.sent; len(rest) > 0; {
		some := rest[:min(len(rest), 8*flushBytes)]
		if err := l.c.out.send(chunk, func(b []byte) []byte { return appendBytes(b, some) }); err != nil {
			return err
		}
		rest = rest[len(some):]
	}
	l.sent = l.sent[:0]
	return nil
}
