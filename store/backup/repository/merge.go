package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// merge merges segments that are always needed together: those between two ends of backups. Of a
// document that was captured several times the last capture stays. Backups and runs are written
// again with the new segments, and their older editions removed. Each step leaves all of them whole.
func (r *Repository) merge(ctx context.Context, kept []*Backup, runs []*run, remove func(Part) error) (merged int, err error) {
	var chains []*Chain
	for _, b := range kept {
		for i := range b.Chains {
			chains = append(chains, &b.Chains[i])
		}
	}
	for _, u := range runs {
		for i := range u.Chains {
			chains = append(chains, &u.Chains[i])
		}
	}
	groups := mergeable(chains)
	instead := map[string][]Part{} // by the first segment of a group
	var left error                 // why the last group that cannot be read stays as it is
	defer func() {
		if err == nil {
			err = left
		}
	}()
	for _, g := range groups {
		parts, err := r.mergeGroup(ctx, g)
		if broken(err) {
			left = &unmergedError{err}
			continue
		}
		if err != nil {
			return merged, err
		}
		if parts != nil {
			instead[g.segments[0].Name] = parts
			merged += len(g.segments) - len(parts)
		}
	}
	if len(instead) == 0 {
		return 0, nil
	}
	rewrite := func(c *Chain) (changed bool) {
		var now []Part
		for i := 0; i < len(c.Segments); {
			g := groups[c.Segments[i].Name]
			if parts, is := instead[c.Segments[i].Name]; is && g.in(c.Segments[i:]) {
				now = append(now, parts...)
				i += len(g.segments)
				changed = true
				continue
			}
			now = append(now, c.Segments[i])
			i++
		}
		c.Segments = now
		return changed
	}
	for _, b := range kept {
		changed := false
		for i := range b.Chains {
			changed = rewrite(&b.Chains[i]) || changed
		}
		if !changed {
			continue
		}
		old := listed{Part: b.Part, id: b.ID}
		whole, err := r.readBackup(ctx, old)
		if err != nil {
			return merged, err
		}
		whole.Outline = b.Outline
		whole.Edition++
		if err := errors.Join(context.Cause(ctx), r.keepBackup(ctx, whole)); err != nil {
			return merged, err
		}
		b.Outline, b.Part = whole.Outline, whole.Part
		if err := remove(old.Part); err != nil {
			return merged, err
		}
	}
	for _, u := range runs {
		changed := false
		for i := range u.Chains {
			changed = rewrite(&u.Chains[i]) || changed
		}
		if changed {
			if err := errors.Join(context.Cause(ctx), r.writeRun(ctx, u)); err != nil {
				return merged, err
			}
		}
	}
	return merged, nil
}

// unmergedError says that segments were not merged because some are missing or damaged.
type unmergedError struct{ cause error }

func (e *unmergedError) Error() string { return "segments stay as they are: " + e.cause.Error() }
func (e *unmergedError) Unwrap() error { return e.cause }

// group is a row of segments that every chain has as a whole, or not at all.
type group struct {
	chain    string
	segments []Part
	whole    bool // it is the beginning of a chain
}

func (g *group) in(segments []Part) bool {
	return len(segments) >= len(g.segments) && slices.Equal(segments[:len(g.segments)], g.segments)
}

// small is the size of segments that are worth being merged with others for their number alone.
const small = 16 << 20

// worth tells whether merging is worth reading and writing them.
func (g *group) worth() bool {
	var all, few, increments int64
	for i, s := range g.segments {
		all += s.Size
		if s.Size < small {
			few++
		}
		if i > 0 && s.Size < small {
			increments += s.Size
		}
	}
	return len(g.segments) > 1 && (all < segmentSize || few >= 8 || increments > all/4)
}

// mergeable finds groups that are worth being merged, by the names of their first segments.
func mergeable(chains []*Chain) map[string]*group {
	// A place after which some chain ends, or two go on differently, is between groups.
	next := map[string]string{}
	ends := map[string]bool{}
	begins := map[string]bool{}
	for _, c := range chains {
		for i, s := range c.Segments {
			following := ""
			if i+1 < len(c.Segments) {
				following = c.Segments[i+1].Name
			}
			if was, is := next[s.Name]; is && was != following || following == "" {
				ends[s.Name] = true
			}
			next[s.Name] = following
			if i == 0 {
				begins[s.Name] = true
			}
		}
	}
	groups := map[string]*group{}
	for _, c := range chains {
		for from := 0; from < len(c.Segments); {
			to := from + 1
			for to < len(c.Segments) && !ends[c.Segments[to-1].Name] {
				to++
			}
			g := &group{chain: c.Key, segments: c.Segments[from:to], whole: begins[c.Segments[from].Name]}
			if g.worth() {
				groups[g.segments[0].Name] = g
			}
			from = to
		}
	}
	return groups
}

// survey is what is to be known of streams before they are merged.
type survey struct {
	fold   *fold
	gone   map[string]bool        // ids, also of documents that came before these streams
	bodies map[store.BodyKey]bool // of documents that were captured again, which still have them
	// attached has the attachments that the merged stream has announced, with the sequences since
	// which they are linked.
	attached map[store.Digest]uint64
	voided   map[byte]uint64 // where the last space item of each space is, counted over all
	first    backup.Header
	last     backup.Header
	end      backup.End
	whole    bool // nothing came before
	listed   bool // there are survivors
	begun    int  // streams
}

// mergeGroup merges the segments of a group into others; nil: they stay as they are.
func (r *Repository) mergeGroup(ctx context.Context, g *group) (parts []Part, err error) {
	s, err := r.survey(ctx, g)
	if err != nil || s == nil || s.listed && !s.whole {
		return nil, err
	}
	out := &merging{repo: r, ctx: ctx}
	defer func() { err = errors.Join(err, out.drop()) }()
	w := backup.NewWriter(out)
	head := s.first
	head.Epoch = s.last.Epoch
	if err := w.Begin(head); err != nil {
		return nil, err
	}
	out.out.wrote(&backup.Item{Kind: backup.KindHeader})
	s.attached = map[store.Digest]uint64{}
	if err := r.mergeDocuments(ctx, g, s, w, out); err != nil {
		return nil, err
	}
	if err := r.mergeRest(ctx, g, s, w, out); err != nil {
		return nil, err
	}
	if _, err := w.End(s.end); err != nil {
		return nil, err
	}
	if err := out.roll(); err != nil {
		return nil, err
	}
	if len(out.parts) >= len(g.segments) {
		var before, after int64
		for _, p := range g.segments {
			before += p.Size
		}
		for _, p := range out.parts {
			after += p.Size
		}
		if after > before-before/8 {
			return nil, nil // not worth it; what was written is garbage
		}
	}
	return out.parts, nil
}

// survey reads a group. It returns nil if the group is not a row of streams that have all ended.
func (r *Repository) survey(ctx context.Context, g *group) (*survey, error) {
	s := &survey{fold: newFold(), gone: map[string]bool{}, bodies: map[store.BodyKey]bool{}, voided: map[byte]uint64{}}
	whole, n := true, uint64(0)
	err := r.each(ctx, g.segments, func(stream *backup.Reader, item *backup.Item) error {
		n++
		switch item.Kind {
		case backup.KindHeader:
			h := stream.Header()
			if s.begun == 0 {
				s.first, s.whole = h, h.Since.IsZero()
			}
			s.begun++
			s.last = h
			whole = false
		case backup.KindEnd:
			s.end, whole = stream.End()
		case backup.KindDocument:
			d, err := item.Document()
			if err != nil {
				return err
			}
			delete(s.gone, string(d.ID))
		case backup.KindGone:
			s.gone[string(item.Payload)] = true
		case backup.KindSurvivors:
			s.listed = true
		case backup.KindSpace:
			if len(item.Payload) == 1 {
				s.voided[item.Payload[0]] = n
			}
		}
		return s.fold.add(item)
	})
	if broken, is := errors.AsType[*DamagedError](err); is && s.begun == 0 {
		_ = broken // the group begins inside a stream
		return nil, r.inside(ctx, g, err)
	}
	if err != nil || !whole {
		return nil, err
	}
	return s, r.surveyBodies(ctx, g, s)
}

// surveyBodies finds the bodies that came for something else than the last capture of the document
// behind them, where an earlier merge may have left them, and which of these some last capture needs.
func (r *Repository) surveyBodies(ctx context.Context, g *group, s *survey) error {
	var waiting []store.BodyKey
	err := r.each(ctx, g.segments, func(_ *backup.Reader, item *backup.Item) error {
		switch item.Kind {
		case backup.KindHeader:
			waiting = waiting[:0]
		case backup.KindBody:
			key, _, err := item.Body()
			if err != nil {
				return err
			}
			waiting = append(waiting, store.BodyKey(key))
		case backup.KindDocument:
			if len(waiting) == 0 {
				return nil
			}
			own, err := s.bodiesOf(item)
			if err != nil {
				return err
			}
			for _, k := range waiting {
				if !slices.Contains(own, k) {
					s.bodies[k] = false
				}
			}
			waiting = waiting[:0]
		}
		return nil
	})
	if err != nil || len(s.bodies) == 0 {
		return err
	}
	return r.each(ctx, g.segments, func(_ *backup.Reader, item *backup.Item) error {
		if item.Kind != backup.KindDocument {
			return nil
		}
		keys, err := s.bodiesOf(item)
		for _, k := range keys {
			if _, is := s.bodies[k]; is {
				s.bodies[k] = true
			}
		}
		return err
	})
}

// bodiesOf lists the bodies that a capture needs, if it is the last one of its document.
func (s *survey) bodiesOf(item *backup.Item) (keys []store.BodyKey, err error) {
	d, err := item.Document()
	if err != nil || !s.fold.has(&d) {
		return nil, err
	}
	rec, err := store.ParseCaptured(d.Record)
	if err == nil {
		keys, err = rec.Bodies()
	}
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", d.ID, err)
	}
	return keys, nil
}

// inside tells a group that begins inside a stream, which is left alone, from a damaged one.
func (r *Repository) inside(ctx context.Context, g *group, damage error) error {
	for _, p := range g.segments {
		if err := r.verify(ctx, p); err != nil {
			return err
		}
	}
	if g.whole {
		return damage
	}
	return nil
}

// mergeDocuments writes the last captures of documents, with what they need.
func (r *Repository) mergeDocuments(ctx context.Context, g *group, s *survey, w *backup.Writer, out *merging) error {
	var waiting []*backup.Item // what came for the next document
	return r.each(ctx, g.segments, func(_ *backup.Reader, item *backup.Item) error {
		switch item.Kind {
		case backup.KindHeader: // the stream before was cut here, and its bodies come again if they are needed
			waiting = slices.DeleteFunc(waiting, func(i *backup.Item) bool { return i.Kind == backup.KindBody })
		case backup.KindAttachment, backup.KindBody:
			waiting = append(waiting, &backup.Item{Kind: item.Kind, Payload: slices.Clone(item.Payload)})
		case backup.KindDocument:
			d, err := item.Document()
			if err != nil {
				return err
			}
			if err := copyNeeded(w, waiting, s); err != nil {
				return err
			}
			waiting = waiting[:0]
			if !s.fold.has(&d) {
				return nil
			}
			if err := w.Copy(item); err != nil {
				return err
			}
			out.out.wrote(item)
			return out.rollFull()
		}
		return nil
	})
}

// copyNeeded copies what came before a document: the bodies that the last capture of some document
// needs, and in any case the attachments. A stream announces an attachment only once, and one that
// continues it not again, so bodies of other documents, here and in later segments, may rest on it.
func copyNeeded(w *backup.Writer, waiting []*backup.Item, s *survey) error {
	for _, item := range waiting {
		needed := false
		switch item.Kind {
		case backup.KindBody:
			key, _, err := item.Body()
			if err != nil {
				return err
			}
			wanted, foreign := s.bodies[store.BodyKey(key)]
			needed = wanted || !foreign
		case backup.KindAttachment:
			a, err := item.Attachment()
			if err != nil {
				return err
			}
			linked, announced := s.attached[a.Digest]
			needed = !announced || linked < a.Linked
			s.attached[a.Digest] = max(linked, a.Linked)
		}
		if !needed {
			continue
		}
		if err := w.Copy(item); err != nil {
			return err
		}
	}
	return nil
}

// mergeRest writes all that is not about single documents: additions in their order, and what comes
// whole as it came last.
func (r *Repository) mergeRest(ctx context.Context, g *group, s *survey, w *backup.Writer, out *merging) error {
	if !s.whole {
		for _, id := range slices.Sorted(maps.Keys(s.gone)) {
			if err := w.Item(backup.KindGone, []byte(id)); err != nil {
				return err
			}
			out.out.wrote(&backup.Item{Kind: backup.KindGone, Payload: []byte(id)})
		}
	}
	n, streams := uint64(0), 0
	return r.each(ctx, g.segments, func(_ *backup.Reader, item *backup.Item) error {
		n++
		switch item.Kind {
		case backup.KindHeader:
			streams++
		case backup.KindSpace, backup.KindEntry, backup.KindTrim:
			if len(item.Payload) == 0 || n < s.voided[item.Payload[0]] {
				return nil
			}
			if item.Payload[0] == store.CapturedSequences && streams < s.begun {
				return nil // a marker that a later document has taken the place of
			}
			return w.Copy(item)
		}
		return nil
	})
}

// merging writes merged streams into segments.
type merging struct {
	repo  *Repository
	ctx   context.Context
	out   *segment
	parts []Part
}

func (m *merging) Write(b []byte) (n int, err error) {
	if m.out == nil {
		if m.out, err = m.repo.newSegment(nil); err != nil {
			return 0, err
		}
	}
	return m.out.Write(b)
}

// rollFull ends the segment if it is full.
func (m *merging) rollFull() error {
	if m.out.size < segmentSize {
		return nil
	}
	return m.roll()
}

func (m *merging) roll() error {
	if m.out == nil {
		return nil
	}
	s := m.out
	m.out = nil
	p, err := s.keep(m.ctx)
	m.parts = append(m.parts, p)
	return err
}

func (m *merging) drop() error {
	if m.out == nil {
		return nil
	}
	return m.out.drop()
}
