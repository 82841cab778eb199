package bolt

import (
	"hash/maphash"
	"strings"
)

// subsNoted remembers which databases may have sub-databases: those that had some when the folder was opened, and those
// of which one was opened since. So a new database, nearly all of which follow nothing of their name, needs no look for
// what a drop left that a crash cut short. It is a set of hashes: a database may be taken for another, and a look is made
// in vain.
type subsNoted struct {
	seed maphash.Seed
	bits [1 << 13]uint64
}

func (n *subsNoted) at(path string) (word *uint64, bit uint64) {
	h := maphash.String(n.seed, subsPath(path))
	return &n.bits[h>>6%uint64(len(n.bits))], 1 << (h & 63)
}

func (n *subsNoted) note(path string) {
	word, bit := n.at(path)
	*word |= bit
}

func (n *subsNoted) may(path string) bool {
	word, bit := n.at(path)
	return *word&bit != 0
}

// noteFolder notes the folder of sub-databases of some database, if it is one.
func (n *subsNoted) noteFolder(path string) {
	if base, is := strings.CutSuffix(path, subsSuffix); is {
		n.note(base + suffix)
	}
}
