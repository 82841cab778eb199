package replicate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// errOthersDoc is a source that answers with a document nobody asked for.
var errOthersDoc = errors.New("the source gives a document that it was not asked for")

// withheld is a revision that the source has and does not give. A checkpoint behind it
// would have it lost for ever.
type withheld struct {
	id  string
	rev revtree.Rev
}

func (e *withheld) Error() string {
	return fmt.Sprintf("the source has revision %s of document %q and does not give it", e.rev, e.id)
}

// due are revisions that a source was asked for and that have not come yet, by document.
type due map[string][]revtree.Rev

func dueOf(wanted []Wanted) due {
	d := make(due, len(wanted))
	for _, w := range wanted {
		d[w.ID] = append(d[w.ID], w.Revs...)
	}
	return d
}

// came takes in a document, whose JSON is given: itself, and what it has taken the place
// of, have come.
func (d due) came(doc []byte) error {
	id, rev := "", ""
	err := jsonscan.EachMember(doc, func(name, value []byte) error {
		switch string(name) {
		case "_id":
			id = seqText(value)
		case "_rev":
			rev = seqText(value)
		}
		if id != "" && rev != "" {
			return errFound
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return malformed(err)
	}
	left, asked := d[id]
	if !asked {
		return fmt.Errorf("%w: %q", errOthersDoc, id)
	}
	i := slices.IndexFunc(left, func(r revtree.Rev) bool { return r.String() == rev })
	if i >= 0 {
		d[id] = slices.Delete(left, i, i+1)
		return nil
	}
	if len(left) == 0 { // once more
		return nil
	}
	parsed, err := document.Parse(doc, document.Options{})
	if err != nil {
		d[id] = nil // no peer can take it, and it is counted so
		return nil
	}
	d[id] = slices.DeleteFunc(left, func(r revtree.Rev) bool { return slices.Contains(parsed.Path, r) })
	return nil
}

var errFound = errors.New("found")

// settle is called when the source has given what it has. What has not come must be gone
// there, purged since its change was read: *withheld.
func (d due) settle(ctx context.Context, source Peer) error {
	var ask []Change
	for id, revs := range d {
		if len(revs) > 0 {
			ask = append(ask, Change{ID: id, Revs: revs})
		}
	}
	if len(ask) == 0 {
		return nil
	}
	gone, err := source.Missing(ctx, ask)
	if err != nil {
		return err
	}
	for _, c := range ask {
		for _, rev := range c.Revs {
			if !slices.ContainsFunc(gone, func(w Wanted) bool { return w.ID == c.ID && slices.Contains(w.Revs, rev) }) {
				return &withheld{c.ID, rev}
			}
		}
	}
	return nil
}
