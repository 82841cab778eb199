package document

// manyMembers is from when on a map is quicker than comparing with each name.
const manyMembers = 24

// replaces marks the earlier member of the same name, if there is one, as gone.
func (p *parser) replaces(own int, m *member) bool {
	name := p.term[m.name:m.nameTo]
	if len(p.members)-own >= manyMembers {
		names := p.wide[own]
		if names == nil {
			names = p.index(own)
		}
		at, found := names[string(name)]
		if found {
			p.members[at].gone = true
		}
		names[string(name)] = len(p.members)
		return found
	}
	for i := own; i < len(p.members); i++ {
		e := &p.members[i]
		if !e.gone && string(p.term[e.name:e.nameTo]) == string(name) {
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
			names[string(p.term[e.name:e.nameTo])] = i
		}
	}
	if p.wide == nil {
		p.wide = map[int]map[string]int{}
	}
	p.wide[own] = names
	return names
}

// closeRanks takes the members that are gone out of both buffers.
func (p *parser) closeRanks(own int) {
	body, term := p.members[own].body, p.members[own].term
	for i := own; i < len(p.members); i++ {
		m := &p.members[i]
		if m.gone {
			continue
		}
		bodyTo, termTo := len(p.body), len(p.term)
		if i+1 < len(p.members) {
			bodyTo, termTo = p.members[i+1].body, p.members[i+1].term
		}
		body += copy(p.body[body:], p.body[m.body:bodyTo])
		term += copy(p.term[term:], p.term[m.term:termTo])
	}
	p.body, p.term = p.body[:body], p.term[:term]
}
