package journal

import "github.com/tododb/tododb/store/engine"

// Read calls fn for each record from a position on that is on disk now, in order. A record's bytes are fn's until it
// returns. Nothing is released meanwhile, and fn must not call Release or Close.
func (l *Log) Read(from Pos, fn func(at Pos, rec []byte) error) error {
	l.releasing.Lock()
	defer l.releasing.Unlock()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return engine.ErrClosed
	}
	list := append([]Segment(nil), l.sealed...)
	list = append(list, Segment{Number: l.number, First: l.first, End: l.end})
	l.mu.Unlock()
	r := newReader(l.folder, func(at Pos, rec []byte) error {
		if at < from {
			return nil
		}
		return fn(at, rec)
	})
	for _, s := range list {
		if s.End <= from {
			continue
		}
		h, err := r.header(s.Number)
		if err == nil {
			err = r.segment(&ending{head: h}, s.End)
		}
		if err != nil {
			return engine.SystemError(err)
		}
	}
	return nil
}
