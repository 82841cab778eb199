package anykey

import (
	"bytes"

	"github.com/tododb/tododb/store/engine"
)

// tx is a writing transaction.
type tx struct {
	reader
	tx engine.Tx // the engine's, which reader reads
}

// Fill is part of engine.Filler.
func (t *tx) Fill(s engine.Space) {
	if f, ok := t.tx.(engine.Filler); ok {
		f.Fill(s)
	}
}

// Restamp is part of engine.Restamper.
func (t *tx) Restamp() error {
	if s, ok := t.tx.(engine.Restamper); ok {
		return s.Restamp()
	}
	return nil
}

func (t *tx) Fetch(keys []engine.SpaceKey, last []engine.Space) error {
	return t.tx.Fetch(t.allAt(keys), last)
}

// PutRef is part of engine.Referrer. Long keys refer to nothing.
func (t *tx) PutRef(s engine.Space, k, v []byte, to engine.SpaceKey) error {
	if r, ok := t.tx.(engine.Referrer); ok && len(k) <= t.short && len(to.Key) <= t.short {
		return r.PutRef(s, k, v, to)
	}
	return t.Put(s, k, v)
}

func (t *tx) Put(s engine.Space, k, v []byte) error {
	if len(k) <= t.short {
		return t.tx.Put(s, k, v)
	}
	return t.long(s, k, func(key []byte) error { return t.tx.Put(deep, key, v) })
}

func (t *tx) Insert(s engine.Space, k, v []byte) error {
	if len(k) <= t.short {
		return t.tx.Insert(s, k, v)
	}
	return t.long(s, k, func(key []byte) error { return t.tx.Insert(deep, key, v) })
}

// long writes the value of a long key, and the links to it that are not there yet.
func (t *tx) long(s engine.Space, k []byte, write func(key []byte) error) error {
	if len(k) > t.longest {
		return engine.ErrTooLarge
	}
	links, key := t.way(s, k)
	if err := write(key); err != nil {
		return err
	}
	for i := len(links) - 1; i >= 0; i-- {
		at := links[i].at
		if v, err := t.tx.Get(at.Space, at.Key); v != nil || err != nil {
			return err // where one is there, those before it are
		}
		if err := t.tx.Put(at.Space, at.Key, linkValue); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Delete(s engine.Space, k []byte) error {
	if len(k) <= t.short {
		return t.tx.Delete(s, k)
	}
	links, key := t.way(s, k)
	if v, err := t.tx.Get(deep, key); v == nil || err != nil {
		return err
	}
	if err := t.tx.Delete(deep, key); err != nil {
		return err
	}
	for i := len(links) - 1; i >= 0; i-- {
		if empty, err := t.empty(deep, links[i].node, after(links[i].node)); !empty || err != nil {
			return err
		}
		if err := t.tx.Delete(links[i].at.Space, links[i].at.Key); err != nil {
			return err
		}
	}
	return nil
}

// empty reports whether the engine has nothing in a range.
func (t *tx) empty(s engine.Space, from, to []byte) (bool, error) {
	empty := true
	err := t.tx.Scan(s, engine.Range{From: from, To: to, Limit: 1, KeysOnly: true}, func(_, _ []byte) (bool, error) {
		empty = false
		return false, nil
	})
	return empty, err
}

// rangePart is about how many bytes of keys DeleteRange gathers at a time.
const rangePart = 1 << 20

func (t *tx) DeleteRange(s engine.Space, from, to []byte) error {
	none, err := t.empty(deep, []byte{byte(s)}, []byte{byte(s) + 1})
	if err != nil {
		return err
	}
	for at, more := from, !none; more; {
		more = false
		var long [][]byte // a cursor does not outlive a deletion
		size := 0
		err := t.Scan(s, engine.Range{From: at, To: to, KeysOnly: true}, func(k, _ []byte) (bool, error) {
			if len(k) > t.short {
				long, size = append(long, bytes.Clone(k)), size+len(k)
			}
			if more = size >= rangePart; more {
				at = append(bytes.Clone(k), 0)
			}
			return !more, nil
		})
		if err != nil {
			return err
		}
		for _, k := range long {
			if err := t.Delete(s, k); err != nil {
				return err
			}
		}
	}
	// A link that is left in the range leads to keys outside it.
	if len(from) > t.short {
		from = append(linkKey(nil, from[:t.short]), 0)
	}
	if len(to) > t.short {
		to = linkKey(nil, to[:t.short])
	}
	return t.tx.DeleteRange(s, from, to)
}
