package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
)

// Edit is one document to write.
type Edit struct {
	// Doc is the document: its id, its body, and its revisions. For an interactive edit they
	// give the revision it replaces (Rev, or the head of Path), for a replicated change its
	// own revision and history.
	Doc document.Doc
	// Attachments lists all attachments of the document, in order. Any that is left out is
	// removed.
	Attachments []EditAttachment
}

// WriteOptions say how a Write treats its edits.
type WriteOptions struct {
	// Replicated takes the revisions as they come (new_edits=false): they are merged
	// into the tree and never conflict.
	Replicated bool
	// Atomic writes all edits in one transaction, or none: if one is refused, the Results of
	// the others have ErrNotWritten.
	Atomic bool
	// Unchanged, if not nil, is the newest sequence that the caller knows. If there is a newer
	// one, nothing is written and the error is *Changed. The edits go into one transaction.
	Unchanged *uint64
	// Once, if not nil, makes sure that the edits are applied no more than once however often
	// they come. A repetition returns *Repeated. The edits go into one transaction.
	Once *Once
	// KnownParents makes every edit a conflict that names a parent of a document that is not
	// there. Without it that depends on the other edits, and on the database (ParentsMatter). It is
	// for edits of one request that are written with several calls.
	KnownParents bool
}

// single reports whether the edits must go into one transaction.
func (o *WriteOptions) single() bool { return o.Atomic || o.Unchanged != nil || o.Once != nil }

// Result is what became of one edit.
type Result struct {
	ID  string
	Rev revtree.Rev // the new revision, or, if Err is set, the given one
	Err error       // ErrConflict, ErrIDTooLong, *PartitionOverflow; nil: it is on disk
}

// Put writes one document. Its error is the Result's, which refuses the document; if the Result
// has none, it is an error that Write would return.
func (db *DB) Put(ctx context.Context, e Edit, opt WriteOptions) (Result, error) {
	var one struct {
		edit    [1]Edit
		result  [1]Result
		pending [1]pendingEdit
	}
	one.edit[0] = e
	err := db.write(ctx, one.edit[:], one.result[:], one.pending[:0], opt)
	if err != nil {
		one.result[0].Err = nil // it may hold an earlier refusal
		return one.result[0], err
	}
	return one.result[0], one.result[0].Err
}

// Write writes documents. Only Write and Put bring documents in. Results come in the order of
// the edits; the sequences follow the order of ids, as CouchDB's do. A result's Err concerns
// its document alone. The handle's guard may have changed the documents in edits when Write
// returns.
//
// Write's own error means that an id is not allowed in this database (*document.Error), which
// refuses all edits as in CouchDB, that a stub stands for nothing (*MissingStub), that the options
// forbid the write, that the disk has no room (ErrNoRoom), or that the storage failed. After a storage failure, the first part of a
// request too large for one transaction may have been written. With options that require one
// transaction, such a request fails with ErrTransactionTooLarge and nothing is written.
func (db *DB) Write(ctx context.Context, edits []Edit, opt WriteOptions) ([]Result, error) {
	results := make([]Result, len(edits))
	if err := db.write(ctx, edits, results, make([]pendingEdit, 0, len(edits)), opt); err != nil {
		return nil, err
	}
	return results, nil
}

// write is Write with memory for its results and pending edits.
func (db *DB) write(ctx context.Context, edits []Edit, results []Result, pending []pendingEdit, opt WriteOptions) error {
	for i := range edits {
		if err := db.CheckNewID(edits[i].Doc.ID); err != nil {
			return err
		}
	}
	if db.noRoom() && slices.ContainsFunc(edits, func(e Edit) bool { return takesRoom(&e.Doc) }) {
		return ErrNoRoom
	}
	var look standings
	for i := range edits {
		doc := &edits[i].Doc
		results[i] = Result{ID: doc.ID, Rev: doc.Rev}
		if len(doc.Path) > 0 {
			results[i].Rev = doc.Path[0]
		}
		p, err := db.prepare(ctx, &edits[i], &results[i], opt, &look)
		if err != nil {
			return err
		}
		if results[i].Err == nil {
			pending = append(pending, p)
		}
	}
	if opt.KnownParents || slices.ContainsFunc(pending, func(p pendingEdit) bool { return len(p.atts) > 0 || isDesign(p.doc.ID) }) {
		for i := range pending {
			pending[i].looks = true
		}
	}
	slices.SortStableFunc(pending, func(a, b pendingEdit) int { return cmp.Compare(a.doc.ID, b.doc.ID) })
	for again := false; ; again = true {
		var err error
		if pending, err = db.judge(ctx, pending, again); err != nil {
			return err
		}
		if opt.Atomic && refused(results) {
			return nil
		}
		stale, err := db.transact(ctx, pending, results, opt)
		if err != nil || len(stale) == 0 {
			return err
		}
		if pending, err = db.prepareAgain(ctx, stale, opt); err != nil {
			return err
		}
	}
}

// noRoom tells whether the disk is too full for what a user writes.
func (db *DB) noRoom() bool { return db.guard != nil && db.store.opt.NoRoom() }

// takesRoom tells whether an edit that brings a document is refused then. A local document, such as a checkpoint, replaces
// another one, and a deletion lets a compaction make room, if they are not large themselves.
func takesRoom(d *document.Doc) bool {
	return !d.Deleted && !strings.HasPrefix(d.ID, "_local/") || len(d.Body) > mostWithoutRoom
}

// sparing tells that none of some edits does.
func sparing(edits []pendingEdit) bool {
	for i := range edits {
		if p := &edits[i]; takesRoom(p.doc) || len(p.staged) > 0 {
			return false
		}
	}
	return true
}

// mostWithoutRoom is how many bytes a tombstone or a local document has that is written all the same. A
// checkpoint with a history of fifty sessions has some 20 kB.
const mostWithoutRoom = 64 << 10

// prepare lets the guard judge an edit and does the work that needs no transaction. A refused
// edit has its result set.
func (db *DB) prepare(ctx context.Context, e *Edit, result *Result, opt WriteOptions, look *standings) (p pendingEdit, err error) {
	var asked *document.Doc
	if db.guard != nil && db.guard.Write != nil {
		copied := e.Doc
		asked = &copied
	}
	by, refusal, err := db.takes(ctx, e, opt, look)
	if err == nil && refusal == nil && int64(len(e.Doc.ID)) > db.store.maxIDLength.Load() {
		refusal = ErrIDTooLong
	}
	if result.Err = refusal; refusal != nil || err != nil {
		return p, err
	}
	p, err = db.newPending(ctx, e, result, opt.Replicated)
	p.edit, p.asked, p.by, p.guard = e, asked, by, db.guard
	return p, err
}

// prepareAgain prepares edits anew whose guard judged by a state that has changed.
func (db *DB) prepareAgain(ctx context.Context, stale []pendingEdit, opt WriteOptions) ([]pendingEdit, error) {
	if db.guard == nil || db.guard.Write == nil {
		return stale, nil
	}
	var look standings
	again := stale[:0]
	for _, old := range stale {
		*old.doc = *old.asked // undo what Guard.Write changed: it judged an old state
		p, err := db.prepare(ctx, old.edit, old.result, opt, &look)
		if err != nil {
			return nil, err
		}
		p.looks = old.looks
		if p.result != nil {
			again = append(again, p)
		}
	}
	return again, nil
}

// pendingEdit is an edit after all the work that needs no transaction.
type pendingEdit struct {
	doc        *document.Doc
	result     *Result
	replicated bool
	local      bool
	body       []byte // the record to store
	atts       []Attachment
	staged     map[Digest]Staged // bytes that came with it
	parent     revtree.Rev       // the revision that rev was computed for
	rev        revtree.Rev
	verdict    verdict
	looks      bool // something in the request needs its document (mustKnow)

	guard *Guard // the handle's, may be nil
	by    stoodBy
	edit  *Edit
	asked *document.Doc // as it came, if Guard.Write may have changed it
}

func (db *DB) newPending(ctx context.Context, e *Edit, result *Result, replicated bool) (pendingEdit, error) {
	doc := &e.Doc
	p := pendingEdit{doc: doc, result: result, replicated: replicated}
	p.local = strings.HasPrefix(doc.ID, "_local/")
	if p.local {
		return p, nil
	}
	if err := doc.CheckPath(); err != nil {
		return p, err
	}
	head := doc.Rev
	if len(doc.Path) > 0 {
		head = doc.Path[0]
	}
	var err error
	if p.atts, err = db.resolve(ctx, e, head, replicated); err != nil {
		return p, err
	}
	for _, a := range e.Attachments {
		if a.Staged != nil {
			if p.staged == nil {
				p.staged = map[Digest]Staged{}
			}
			p.staged[a.Staged.Digest] = *a.Staged
		}
	}
	var list []byte
	if len(p.atts) > 0 {
		list = appendAttachments(nil, p.atts)
	}
	p.body = encodeBody(doc.Body, list)
	if replicated {
		p.rev = head
		return p, nil
	}
	p.parent = head
	p.rev, err = doc.RevID(p.parent, attRefs(p.atts))
	return p, err
}

// revFor is the revision that the edit makes over a parent. It is precomputed for the parent
// that the edit names; only a revival has another.
func (p *pendingEdit) revFor(parent revtree.Rev) (revtree.Rev, error) {
	if parent == p.parent {
		return p.rev, nil
	}
	return p.doc.RevID(parent, make([]document.AttRef, len(p.atts)))
}

// raise gives the attachments that came with a revival its generation.
func (p *pendingEdit) raise(parent revtree.Rev) {
	if len(p.staged) == 0 {
		return
	}
	for i := range p.atts {
		if _, came := p.staged[p.atts[i].Digest]; came {
			p.atts[i].RevPos = parent.Gen + 1
		}
	}
	p.body = encodeBody(p.doc.Body, appendAttachments(nil, p.atts))
}

func (p *pendingEdit) size() int { return len(p.body) + len(p.doc.ID) + 128 }

// chunkOf returns how many of the edits go into the next transaction. All edits of one document
// stay together: they share a sequence.
func chunkOf(pending []pendingEdit) (n, size int) {
	for n < len(pending) {
		next := pending[n].size()
		sameDoc := n > 0 && pending[n].doc.ID == pending[n-1].doc.ID
		if n > 0 && !sameDoc && (n >= groupDocs || size+next > groupBytes) {
			break
		}
		n, size = n+1, size+next
	}
	return n, size
}

// edit applies edits, which are in the order of their ids.
func (w *writer) edit(edits []pendingEdit) error {
	if _, err := w.lookAtDesign(edits); err != nil {
		return err
	}
	return eachDocument(edits, func(edits []pendingEdit) error {
		if edits[0].local {
			return w.editLocal(edits)
		}
		return w.editDocument(edits)
	})
}

// eachDocument calls fn with the edits of each document.
func eachDocument(edits []pendingEdit, fn func(edits []pendingEdit) error) error {
	for from := 0; from < len(edits); {
		to := from + 1
		for to < len(edits) && edits[to].doc.ID == edits[from].doc.ID {
			to++
		}
		if err := fn(edits[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// editDocument applies all edits of one document in a transaction; together they take one
// sequence.
func (w *writer) editDocument(edits []pendingEdit) error {
	id := edits[0].doc.ID
	d, err := w.load(id)
	if err != nil {
		return err
	}
	if err := w.lookAtStanding(edits, &d.tree); err != nil {
		return err
	}
	limit, err := w.revsLimit()
	if err != nil {
		return err
	}
	seq := w.last + 1
	bodies := uint32(0)
	counted, changed, recalled := false, false, false
	var revived revtree.Rev
	for i := range edits {
		e := &edits[i]
		path, err := w.admit(e, &d.tree, d.known)
		if err != nil {
			return err
		}
		if path == nil {
			continue
		}
		if d.death != nil && e.replicated {
			if _, there := d.tree.Find(path[0]); there { // it is not stored, and its peer must learn of its end
				recalled = recalled || !d.tree.IsLeaf(path[0])
				continue
			}
		}
		if !counted && d.death == nil { // before the tree changes
			if err := w.count(id, &d.tree, -1); err != nil {
				return err
			}
		}
		counted = true
		ref := bodyRef{seq: seq, n: w.own.body() + bodies, size: int64(len(e.doc.Body)), stored: int64(len(e.body))}
		if w.db.identity.Partitioned {
			ref.attached = attachedBytes(e.atts)
		}
		data := ref.appendTo(nil)
		outcome, err := d.tree.Merge(path, e.doc.Deleted, data)
		if err != nil {
			e.result.Err = err
			continue
		}
		e.result.Rev = path[0]
		if outcome == revtree.Known {
			continue
		}
		changed, d.known = true, true
		if d.death != nil && e.replicated && !e.doc.Deleted {
			revived = path[0]
		}
		if outcome == revtree.Joined {
			continue // its body is here already
		}
		w.proof.id, w.proof.rev, w.proof.data = id, path[0], data
		if err := w.tx.Insert(spaceBody, bodyKey(ref), e.body); err != nil {
			return err
		}
		w.bodies += ref.stored
		if err := w.linkAttachments(e.atts, e.staged); err != nil {
			return err
		}
		bodies++
	}
	if d.death != nil && (changed || recalled) {
		next, err := w.exhume(id, &d, seq, w.own.body()+bodies)
		if err != nil {
			return err
		}
		bodies = next - w.own.body()
		changed = true
	}
	if !changed && (!counted || d.death != nil) {
		return nil
	}
	dropped := []revtree.Node(nil)
	if changed && d.tree.Len() > limit {
		dropped = d.tree.Stem(limit)
	}
	if bodies == 0 && changed {
		// Stemming may have removed the ancestors that a path added.
		changed = !bytes.Equal(d.tree.AppendBinary(nil), d.rec.tree)
	}
	if err := w.count(id, &d.tree, 1); err != nil || !changed {
		return err
	}
	if err := w.dropBodies(dropped); err != nil {
		return err
	}
	if err := w.noteDesign(id, seq); err != nil {
		return err
	}
	if err := w.noteRevival(id, revived, &d); err != nil {
		return err
	}
	w.moved(id, &d.rec, &d.tree, seq, seq)
	return w.saveTree(id, &d.tree, &d.rec, seq)
}

// admit judges an edit by the present tree. It returns the path to merge, or nil and puts the
// reason in the edit's result.
func (w *writer) admit(e *pendingEdit, tree *revtree.Tree, known bool) ([]revtree.Rev, error) {
	if e.stale(tree) {
		e.result.Err = errStale
		return nil, nil
	}
	if e.guard != nil && e.guard.Admin != nil && isDesign(e.doc.ID) {
		security, err := w.db.securityIn(w.tx)
		if err != nil {
			return nil, err
		}
		if e.result.Err = e.guard.Admin(security); e.result.Err != nil {
			return nil, nil
		}
	}
	must, err := w.mustKnow(e, known)
	if err != nil {
		return nil, err
	}
	path, err := []revtree.Rev(nil), ErrConflict
	if !must {
		path, err = e.place(tree, known)
	}
	if err == nil {
		over, failure := w.overflows(e, path, tree)
		if failure != nil {
			return nil, failure
		}
		if over {
			err = &PartitionOverflow{ID: e.doc.ID}
		}
	}
	if err == nil {
		if err = w.canLink(e.atts, e.staged); err != nil && !errors.Is(err, ErrMissingAttachment) {
			return nil, err
		}
	}
	if e.result.Err = err; err != nil { // nil clears the error of an earlier run
		return nil, nil
	}
	return path, nil
}

// place finds where an edit goes: the path to merge, newest first.
func (p *pendingEdit) place(tree *revtree.Tree, known bool) ([]revtree.Rev, error) {
	if p.replicated {
		if len(p.doc.Path) > 0 {
			return p.doc.Path, nil
		}
		return []revtree.Rev{p.rev}, nil
	}
	if !known || tree.Len() == 0 {
		ancestors := p.doc.Path
		if len(ancestors) == 0 && !p.parent.IsZero() {
			ancestors = []revtree.Rev{p.parent}
		}
		return append([]revtree.Rev{p.rev}, ancestors...), nil
	}
	if p.by.loses || conflicts(tree, p.doc) {
		return nil, ErrConflict
	}
	parent := p.parent
	if parent.IsZero() { // a revival
		winner, _ := tree.Winner()
		parent = winner.Rev
		p.raise(parent)
	}
	rev, err := p.revFor(parent)
	if err != nil {
		return nil, err
	}
	if _, there := tree.Find(rev); there {
		return nil, ErrConflict
	}
	return []revtree.Rev{rev, parent}, nil
}
