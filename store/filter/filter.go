package filter

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/script"
)

// Opener opens filters. Any field may be nil: a nil Opener still has the filters that need no
// design document.
type Opener struct {
	Designs *design.Cache
	Views   *view.Opener  // nil: {"changes": true} makes views no faster
	Finder  *mango.Finder // nil: a selector looks at every change
}

// Filter says which changes a client wants. Only one goroutine uses it; Release ends it.
type Filter struct {
	docIDs   []string        // if not nil: only these documents
	design   bool            // only design documents
	selector *mango.Selector // if not nil: only matching revisions
	fields   *mango.Fields
	view     *viewChanges   // if not nil: only documents with rows in a view
	function script.Matcher // if not nil: only revisions that a function accepts
	text     string         // of Text
	personal bool           // what it accepts may depend on who asks

	db     *store.DB
	finder *mango.Finder
}

// Open opens a filter on the changes of a database. The handle remains the caller's, who
// releases it after the filter.
func (o *Opener) Open(ctx context.Context, db *store.DB, q *Query) (*Filter, error) {
	if o == nil {
		o = &Opener{}
	}
	f := &Filter{db: db, finder: o.Finder}
	if err := o.open(ctx, f, q); err != nil {
		return nil, err
	}
	return f, nil
}

func (o *Opener) open(ctx context.Context, f *Filter, q *Query) (err error) {
	switch {
	case q.Name == "":
		return nil
	case q.Name == "_doc_ids":
		f.docIDs, err = q.docIDs()
		f.text = fmt.Sprintf("ids %q", f.docIDs)
		return err
	case q.Name == "_design":
		f.design, f.text = true, "design"
		return nil
	case q.Name == "_selector":
		f.text = fmt.Sprintf("selector %s", q.Selector)
		return f.readSelector(q)
	case q.Name == "_view":
		return o.openView(ctx, f, q)
	case strings.HasPrefix(q.Name, "_"):
		return errNoSuchFilter
	}
	ddoc, name, ok := strings.Cut(q.Name, "/")
	if !ok || strings.Contains(name, "/") {
		return errFilterForm
	}
	d, err := o.find(ctx, f.db, ddoc)
	if err != nil {
		return err
	}
	if _, err := d.Find("filters", name); err != nil {
		return err
	}
	f.personal = true
	req, err := q.Request()
	if err == nil {
		f.function, err = d.Filter(ctx, name, req)
	}
	return err
}

// Source is the text of a filter function.
func (o *Opener) Source(ctx context.Context, db *store.DB, ddoc, name string) (string, error) {
	if o == nil {
		return "", ErrNoFunctions
	}
	d, err := o.find(ctx, db, ddoc)
	if err != nil {
		return "", err
	}
	source, err := d.Find("filters", name)
	if err != nil {
		return "", err
	}
	text, err := jsonscan.Text(source)
	if err != nil {
		return "", script.MissingError(name)
	}
	return text, nil
}

// find finds a design document by its name.
func (o *Opener) find(ctx context.Context, db *store.DB, name string) (*design.Document, error) {
	if o.Designs == nil {
		return nil, ErrNoFunctions
	}
	return o.Designs.Find(ctx, db, "_design/"+name)
}

func (f *Filter) readSelector(q *Query) (err error) {
	if !q.Posted {
		return errSelectorPost
	}
	if jsonscan.Kind(q.Selector) != '{' {
		return errSelectorObject
	}
	if f.selector, err = mango.Compile(q.Selector); err != nil {
		return badRequest(err.Error())
	}
	if q.Fields != nil {
		if f.fields, err = mango.CompileFields(q.Fields); err != nil {
			return errFields
		}
	}
	return nil
}

// openView makes a view filter. It reads the view's index if that keeps changes, and otherwise
// runs the map function.
func (o *Opener) openView(ctx context.Context, f *Filter, q *Query) error {
	if q.View == "" {
		return errNoView
	}
	ddoc, name, ok := strings.Cut(q.View, "/")
	if !ok || strings.Contains(name, "/") {
		return errViewForm
	}
	d, err := o.find(ctx, f.db, ddoc)
	if err != nil {
		return err
	}
	f.text = fmt.Sprintf("view %s %s %q %q %q %q %t", d.ID, d.Rev, name, q.Keys.Start, q.Keys.End, q.Keys.List, q.Keys.ExcludeEnd)
	if number, err := d.View(name); err == nil && d.Changes && o.Views != nil {
		f.view, err = o.openChanges(ctx, f.db, d, number, q)
		return err
	}
	f.function, err = d.ViewFilter(ctx, name)
	return err
}

// Text names what the filter accepts: filters of a database with the same text accept the same.
// It is not the same for everybody if a function judges that may look at who asks.
func (f *Filter) Text() (text string, same bool) { return f.text, !f.personal }

// Indexed reports whether the filter reads the index of a view. Otherwise it takes no notice of keys.
func (f *Filter) Indexed() bool { return f.view != nil }

// Release frees what the filter holds.
func (f *Filter) Release() {
	if f.view != nil {
		f.view.Release()
	}
	f.Pause()
}

// Pause lets others use the function's process while nothing is read.
func (f *Filter) Pause() {
	if f.function != nil {
		f.function.Release()
	}
}

// Chosen reports whether documents are selected by their ids.
func (f *Filter) Chosen() bool { return f.docIDs != nil || f.design }

// Fields says what to show of a document; nil: all.
func (f *Filter) Fields() *mango.Fields { return f.fields }

// functionRows is how many documents a function judges in one snapshot. Between snapshots
// there is time for a heartbeat.
const functionRows = 100

// Changes reads the changes that q asks for and the filter accepts, as store.DB.Changes does.
// It calls waiting now and then while it waits for an index.
func (f *Filter) Changes(ctx context.Context, q store.ChangesQuery, row func(*store.Change) error, flush, waiting func() error) (store.ChangesEnd, error) {
	q.DocIDs = f.docIDs
	if f.design {
		prefix := []byte("_design/")
		q.Match = func(c *store.Change) (bool, error) { return bytes.HasPrefix(c.ID, prefix), nil }
	}
	if f.function != nil {
		q.MatchLeaves, q.PageRows = f.matchLeaves(ctx), functionRows
		defer f.Pause()
	}
	if f.view != nil {
		return f.view.changes(ctx, q, row, flush, waiting)
	}
	return f.finder.Changes(ctx, f.db, f.selector, q, mango.ChangesReader{Row: row, Flush: flush, Waiting: waiting})
}

// matchLeaves makes the function judge a page of documents at once.
func (f *Filter) matchLeaves(ctx context.Context) func([]*store.Document) ([]bool, error) {
	var b []byte
	var docs [][]byte
	return func(page []*store.Document) ([]bool, error) {
		b, docs = b[:0], docs[:0]
		for _, d := range page {
			from := len(b)
			b = d.AppendJSON(b, store.JSONOptions{})
			docs = append(docs, b[from:]) // if b moves, the earlier bytes stay where they were
		}
		// Do not hold the function's process while a slow client takes the rows.
		defer f.Pause()
		return f.function.MatchAll(ctx, docs)
	}
}
