package replicate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tododb/tododb/revtree"
)

// errOthersDoc says that a source answered with a document nobody asked for.
var errOthersDoc = errors.New("the source sent a document that was not requested")

// withheld is a revision that the source has but does not send. A checkpoint after it would
// lose it for ever.
type withheld struct {
	id  string
	rev revtree.Rev
}

func (e *withheld) Error() string {
	return fmt.Sprintf("the source has revision %s of document %q and does not give it", e.rev, e.id)
}

// due holds, by document, the revisions that a source was asked for and that have not come yet.
type due map[string][]revtree.Rev

func dueOf(wanted []Wanted) due {
	d := make(due, len(wanted))
	for _, w := range wanted {
		d[w.ID] = append(d[w.ID], w.Revs...)
	}
	return d
}

// came notes that a revision has come. If nobody asked for it, it replaces its ancestors.
func (d due) came(r *Revision) error {
	left, asked := d[r.Doc.ID]
	if !asked {
		return fmt.Errorf("%w: %q", errOthersDoc, r.Doc.ID)
	}
	switch i := slices.Index(left, r.Doc.Rev); {
	case i >= 0:
		d[r.Doc.ID] = slices.Delete(left, i, i+1)
	case r.Unreadable != nil:
		d[r.Doc.ID] = nil // no peer can take it, and it is counted as refused
	default:
		d[r.Doc.ID] = slices.DeleteFunc(left, func(rev revtree.Rev) bool { return slices.Contains(r.Doc.Path, rev) })
	}
	return nil
}

// settle is called when the source has sent what it has. The missing revisions must have been
// purged there since their changes were read. Otherwise the error is *withheld.
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
