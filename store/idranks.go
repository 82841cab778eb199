package store

import (
	"sort"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// idStretch is how many living documents idRanks counts together.
const idStretch = 512

// idRanks answers how many living documents there are before an id without reading them
// all: a client that pages through _all_docs with startkey asks that with every page. It
// is to ids what ranks is to sequences: counted by one scan when it is first asked, and
// by every commit of this process after that.
type idRanks struct {
	mu        sync.Mutex // guards what follows; also held for scans
	built     bool
	stretches []idsFrom
}

// idsFrom are the documents from an id up to where the next stretch begins.
type idsFrom struct {
	id   string
	n    int
	asOf uint64 // moves up to this sequence are in n
}

// committed takes in what a transaction brought to life and put to death.
func (k *idRanks) committed(moves []move) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.built {
		return
	}
	for _, m := range moves {
		if m.live == 0 {
			continue
		}
		if s := &k.stretches[k.of(m.id)]; m.at > s.asOf {
			s.n += m.live
		}
	}
}

// of is the index of the stretch that an id lies in.
func (k *idRanks) of(id string) int {
	return sort.Search(len(k.stretches), func(i int) bool { return k.stretches[i].id > id }) - 1
}

// countStretches cuts the living documents of a range of r, [from, to), into stretches.
func countStretches(r engine.Reader, from string, to []byte) ([]idsFrom, error) {
	asOf, _, _, err := newest(r)
	if err != nil {
		return nil, err
	}
	out := []idsFrom{{id: from, asOf: asOf}}
	err = r.Scan(spaceDoc, engine.Range{From: fromKey(from), To: to}, func(id, v []byte) (bool, error) {
		if !livingRecord(v) {
			return true, nil
		}
		last := &out[len(out)-1]
		if last.n == idStretch {
			out = append(out, idsFrom{id: string(id), asOf: asOf})
			last = &out[len(out)-1]
		}
		last.n++
		return true, nil
	})
	return out, err
}

// before counts the living documents before an id, as of r.
func (k *idRanks) before(r engine.Reader, id string) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.built {
		var err error
		if k.stretches, err = countStretches(r, "", nil); err != nil {
			return 0, err
		}
		k.built = true
	}
	i := k.of(id)
	if k.stretches[i].n > 4*idStretch { // it has grown: cut it
		var to []byte
		if i+1 < len(k.stretches) {
			to = []byte(k.stretches[i+1].id)
		}
		cut, err := countStretches(r, k.stretches[i].id, to)
		if err != nil {
			return 0, err
		}
		k.stretches = append(k.stretches[:i], append(cut, k.stretches[i+1:]...)...)
		i = k.of(id)
	}
	n, err := countRows(r, Docs, fromKey(k.stretches[i].id), []byte(id))
	for _, s := range k.stretches[:i] {
		n += s.n
	}
	return max(n, 0), err
}

// fromKey is where a range begins: at the first id of all for an empty one.
func fromKey(id string) []byte {
	if id == "" {
		return nil
	}
	return []byte(id)
}
