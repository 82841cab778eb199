package members

import (
	"context"
	"strings"
)

func noteID(kind, member, key string) string { return notePrefix + kind + "/" + member + "/" + key }

// noteOf takes the id of a note apart.
func noteOf(doc string) (kind, member, key string) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(doc, notePrefix), "/")
	member, key, _ = strings.Cut(rest, "/")
	return kind, member, key
}

// Tell has this process tell the others something, by keys: at each beat, what of returns takes the
// place of what it returned before. of must return at once.
func (m *Members) Tell(kind string, of func() map[string][]byte) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes[kind] = of
}

// Told calls fn for what the other members that live tell, in the order of their ids and then of the
// keys. It may be a beat old. body is valid during the call, and fn does no I/O.
func (m *Members) Told(ctx context.Context, kind string, fn func(by Member, key string, body []byte) error) error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	self := m.self
	others := make(map[string]Member, len(m.living))
	for _, one := range m.living {
		if one.ID != self {
			others[one.ID] = one
		}
	}
	m.mu.Unlock()
	if len(others) == 0 {
		return nil
	}
	return m.db.EachLocal(ctx, notePrefix+kind+"/", func(doc string, body []byte) error {
		_, member, key := noteOf(doc)
		if by, is := others[member]; is {
			return fn(by, key, body)
		}
		return nil
	})
}
