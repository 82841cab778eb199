package worker

import "time"

// flushRows is how many bytes of rows may gather.
const flushRows = 256 << 10

// parts is an answer that goes out as it is made: many documents or reductions at a time, or
// few if functions are slow.
type parts struct {
	c     *child
	kind  byte   // of its frames
	bytes []byte // not yet sent
	n     int    // how many items that is
	sent  time.Time
}

func (c *child) parts(kind byte) *parts { return &parts{c: c, kind: kind, sent: time.Now()} }

// added counts an item whose bytes are complete.
func (p *parts) added() error {
	if p.n++; len(p.bytes) >= flushRows || time.Since(p.sent) >= flushEvery {
		return p.flush()
	}
	return nil
}

func (p *parts) flush() error {
	err := p.c.out.send(p.kind, func(b []byte) []byte { return append(appendNumber(b, p.n), p.bytes...) })
	if p.n, p.bytes, p.sent = 0, p.bytes[:0], time.Now(); cap(p.bytes) > 4*keptAtMost {
		p.bytes = nil
	}
	return err
}

// end sends the rest, and says that it was all.
func (p *parts) end() error {
	if p.n > 0 {
		if err := p.flush(); err != nil {
			return err
		}
	}
	return p.c.out.send(result, nil)
}
