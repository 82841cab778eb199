package store

import (
	"bytes"

	"github.com/tododb/tododb/store/engine"
)

// notDead checks that documents are not dead as well.
func (c *checker) notDead(p *checkPage) error {
	if c.dead == nil && len(p.entries) > 0 {
		notes, err := readDeaths(c.r)
		if err != nil {
			c.report("%v", err)
		}
		c.dead = &notes
	}
	if c.dead == nil || c.dead.count == 0 {
		return nil
	}
	keys := p.keys[:0]
	for i := range p.entries {
		keys = append(keys, deathKey(string(p.entries[i].id)))
	}
	p.keys = keys
	return c.r.GetMulti(spaceDead, keys, func(i int, v []byte) error {
		// A tombstone may stay because another id has the same hash.
		if d := &p.entries[i]; v != nil && !d.leaves[0].Deleted {
			c.report("document %q lives, and has a death record", d.id)
		}
		return nil
	})
}

// checkDead judges an entry of the dead space.
func checkDead(k, v []byte) error {
	switch {
	case len(k) == 1+deathHash && k[0] == deathByID:
		tree, err := parseDeath(v)
		if err != nil {
			return err
		}
		for _, l := range tree.Leaves() {
			tree.SetData(l.Rev, nil)
		}
		if !bytes.Equal(appendDeath(nil, &tree), v) {
			return corrupt("death record %x has bodies", k)
		}
		return nil
	case len(k) == 9 && k[0] == revivalBy:
		_, err := parseRevival(k, v)
		return err
	}
	return corrupt("%x is no key of the dead space", k)
}

// deaths checks the dead space against what is noted about it.
func (c *checker) deaths() error {
	var found deaths
	err := c.r.Scan(spaceDead, engine.Range{}, func(k, v []byte) (bool, error) {
		if len(k) > 0 && k[0] == deathByID {
			found.count++
			found.bytes += uint64(len(k) + len(v))
		}
		if err := checkDead(k, v); err != nil {
			c.report("%v", err)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	notes, err := readDeaths(c.r)
	if err != nil {
		c.report("%v", err)
	} else if notes.count != found.count || notes.bytes != found.bytes {
		c.report("there are %d death records of %d bytes, and %d of %d bytes are noted", found.count, found.bytes, notes.count, notes.bytes)
	}
	return nil
}
