package document

import "bytes"

// manyMembers is the number of members from which a map is quicker than comparing each name.
const manyMembers = 24

// replaces marks an earlier member of the same name as gone. It reports whether there was one.
func (p *parser) replaces(own int, m *member) bool {
	if len(p.members)-own >= manyMembers {
		names := p.wide[own]
		if names == nil {
			names = p.index(own)
		}
		at, found := names[string(m.name)]
		if found {
			p.members[at].gone = true
		}
		names[string(m.name)] = len(p.members)
		return found
	}
	for i := own; i < len(p.members); i++ {
		e := &p.members[i]
		if !e.gone && bytes.Equal(e.name, m.name) {
			e.gone = true
			return true
		}
	}
	return false
}

// index begins a map of the names of an object's members.
func (p *parser) index(own int) map[string]int {
	names := make(map[string]int, 4*manyMembers)
	for i := own; i < len(p.members); i++ {
		if e := &p.members[i]; !e.gone {
			names[string(e.name)] = i
		}
	}
	if p.wide == nil {
		p.wide = map[int]map[string]int{}
	}
	p.wide[own] = names
	return names
}

// closeRanks removes the members that are gone from the body.
func (p *parser) closeRanks(own int) {
	to := p.members[own].at
	for i := own; i < len(p.members); i++ {
		m := &p.members[i]
		if m.gone {
			continue
		}
		end := len(p.body)
		if i+1 < len(p.members) {
			end = p.members[i+1].at
		}
		to += copy(p.body[to:], p.body[m.at:end])
	}
	p.body = p.body[:to]
}
