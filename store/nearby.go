package store

import (
	"bytes"

	"github.com/tododb/tododb/store/engine"
)

// nearby gets values whose keys mostly follow each other in their space, as bodies do in the order of
// the feed. Then a step of a cursor finds the next one. Where they do not, it is Get.
type nearby struct {
	r     engine.Reader
	space engine.Space

	cursor engine.Cursor // nil: none is near
	k, v   []byte        // where it is
	missed int           // times that it was not where it should be, since it last was
	wait   int           // gets until a cursor is tried again
}

// How many entries are passed on the way to the next key, and how long to go without a cursor at most.
const (
	nearbySteps = 4
	nearbyWait  = 256
)

func (n *nearby) get(k []byte) (v []byte, err error) {
	if n.cursor == nil {
		if n.wait > 0 {
			n.wait--
			return n.r.Get(n.space, k)
		}
		n.cursor = n.r.Cursor(n.space, engine.Range{From: k, Brief: true})
		if n.k, n.v, err = n.cursor.Next(); err != nil {
			return nil, err
		}
	}
	for steps := 0; n.k != nil; steps++ {
		order := bytes.Compare(n.k, k)
		if order == 0 {
			n.missed = 0
			return n.v, nil
		}
		if order > 0 || steps == nearbySteps {
			break
		}
		if n.k, n.v, err = n.cursor.Next(); err != nil {
			return nil, err
		}
	}
	n.cursor = nil
	n.wait = min(1<<n.missed, nearbyWait)
	n.missed = min(n.missed+1, 8)
	return n.r.Get(n.space, k)
}
