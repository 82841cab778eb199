package move

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/anykey"
)

// Options say what is moved. From, To, FromName and ToName must be set.
type Options struct {
	From, To engine.Engine // the engines themselves, with keys as they are there
	// FromName and ToName say where that is, without passwords. They are kept, and shown.
	FromName, ToName string
	// Skip tells which databases stay behind (none).
	Skip func(name string) bool
	// Anew removes what an earlier move has brought to the target, and begins again.
	Anew bool
	// Settle is called when all databases have arrived, before they are at home there: for what else
	// belongs to them, and for other proofs. It is called again when a storage was away (nothing).
	Settle func(ctx context.Context) error
	// Show is called now and then (nobody looks).
	Show func(Progress)
}

// Progress is how far a move is.
type Progress struct {
	Database  string // that is on its way, "" at the end
	Done, All int    // databases
	Bytes     int64  // that have come
	Proved    int64  // bytes that were read again and compared
}

// Report is what a move has done.
type Report struct {
	Databases, Skipped int   // those that have arrived, and those of them that had done so before
	Indexes            int   // that came with them
	Entries, Bytes     int64 // of all of them
	// Rebuilt are indexes that could not be read, as DATABASE/INDEX. The server builds them anew.
	Rebuilt []string
}

type mover struct {
	Options
	page    int // bytes
	atOnce  int // entries in a transaction
	journal *journal
	now     Progress
	report  Report
}

// Run moves all databases, or goes on with a move that was interrupted. When it returns without an error,
// they are at home in the target, and the source says so. While another one is at work in either, the error is ErrBusy.
func Run(ctx context.Context, opt Options) (Report, error) {
	for _, at := range []struct {
		eng  engine.Engine
		name string
	}{{opt.From, opt.FromName}, {opt.To, opt.ToName}} {
		claimed, release, err := claim(ctx, at.eng, at.name)
		if err != nil {
			return Report{}, err
		}
		defer release()
		ctx = claimed
	}
	report, err := run(ctx, opt)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrBusy) {
		err = cause
	}
	return report, err
}

func run(ctx context.Context, opt Options) (Report, error) {
	if opt.Skip == nil {
		opt.Skip = func(string) bool { return false }
	}
	m := &mover{Options: opt, page: min(pageOf(opt.From), pageOf(opt.To)), atOnce: pageEntries}
	if err := m.fits(); err != nil {
		return m.report, err
	}
	mark, err := m.begin(ctx)
	if m.journal != nil {
		defer m.journal.close()
	}
	if err != nil {
		return m.report, err
	}
	if !mark.Moved { // else only the journal is left
		if err := m.all(ctx, mark); err != nil {
			return m.report, err
		}
		if opt.Settle != nil {
			if err := patient(ctx, func() error { return opt.Settle(ctx) }); err != nil {
				return m.report, err
			}
		}
		mark.Moved = true
		err := mark.hold(ctx, m.From)
		if errors.Is(err, engine.ErrOtherHold) {
			err = ErrUndone
		}
		if err != nil {
			return m.report, err
		}
	}
	err = m.journal.close()
	m.journal = nil
	if err == nil {
		err = patient(ctx, func() error { return m.To.Drop(ctx, journalName) })
	}
	if errors.Is(err, engine.ErrNoDB) { // the answer to an earlier try was lost
		err = nil
	}
	return m.report, err
}

// fits tells whether entries can go over as they are.
func (m *mover) fits() error {
	for _, eng := range []engine.Engine{m.From, m.To} {
		if _, can := eng.(engine.Holder); !can {
			return fmt.Errorf("%w: one cannot be held as it is", ErrUnfit)
		}
	}
	if !anykey.Alike(m.From, m.To) {
		return fmt.Errorf("%w: long keys stand elsewhere", ErrUnfit)
	}
	return nil
}

// begin finds out what there is, and holds the source.
func (m *mover) begin(ctx context.Context) (*Mark, error) {
	mark, err := MarkOf(ctx, m.From)
	if err != nil {
		return nil, err
	}
	if there, err := MarkOf(ctx, m.To); err != nil {
		return nil, err
	} else if there != nil {
		return nil, fmt.Errorf("%w, and %w", ErrNotEmpty, &Moved{there.To})
	}
	if away, err := openJournal(ctx, m.From); err != nil {
		return nil, err
	} else if away != nil {
		return nil, errors.Join(fmt.Errorf("the source: %w", ErrArriving), away.close())
	}
	if m.journal, err = openJournal(ctx, m.To); err != nil {
		return nil, err
	}
	undone := mark != nil && mark.Undone
	ours := m.journal != nil && !undone && mark != nil && m.journal.Move == mark.Move
	switch {
	case mark != nil && mark.Moved && !undone && !ours:
		return nil, &Moved{mark.To}
	case ours && (mark.Moved || !m.Anew):
		return mark, mark.hold(ctx, m.From) // perhaps not all were held when it was interrupted
	case mark != nil && !undone && mark.To != m.ToName:
		return nil, &Moving{mark.To}
	}
	if err := m.clear(ctx); err != nil {
		return nil, err
	}
	id := make([]byte, 12)
	rand.Read(id)
	var was []byte
	if mark != nil {
		was = mark.note
	}
	mark = &Mark{note: was, Move: hex.EncodeToString(id), To: m.ToName, Began: time.Now().UTC().Truncate(time.Second)}
	if m.journal, err = makeJournal(ctx, m.To, head{mark.Move, m.FromName}); err != nil {
		return nil, err
	}
	return mark, mark.hold(ctx, m.From)
}

// clear makes sure that the target is empty. What another move from here has left is out of date by now.
func (m *mover) clear(ctx context.Context) error {
	if m.journal == nil {
		return m.empty(ctx)
	}
	if h := m.journal.head; h.From != m.FromName && h.Move != "" && !m.Anew {
		return fmt.Errorf("%w (%s)", ErrOther, h.From)
	}
	if err := m.journal.forget(ctx); err != nil { // from here on it says nothing of what is there
		return err
	}
	names, err := m.To.List(ctx, "", -1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == journalName {
			continue
		}
		if err := m.To.Drop(ctx, name); err != nil && !errors.Is(err, engine.ErrNoDB) {
			return err
		}
	}
	if err := m.journal.close(); err != nil {
		return err
	}
	m.journal = nil
	return m.To.Drop(ctx, journalName)
}

func (m *mover) empty(ctx context.Context) error {
	names, err := m.To.List(ctx, "", 3)
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%w: %s", ErrNotEmpty, strings.Join(names, ", "))
	}
	return err
}

// names lists what is to be moved.
func names(ctx context.Context, eng engine.Engine, skip func(string) bool) ([]string, error) {
	all, err := eng.List(ctx, "", -1)
	return slices.DeleteFunc(all, skip), err
}

func (m *mover) all(ctx context.Context, mark *Mark) error {
	list, err := names(ctx, m.From, m.Skip)
	if err != nil {
		return err
	}
	m.now.All = len(list)
	for i, name := range list {
		m.now.Done, m.now.Database = i, name
		m.show()
		if err := mark.stays(ctx, m.From); err != nil {
			return err
		}
		// It goes on where it was, so whatever fails for a while may be tried again.
		if err := patient(ctx, func() error { return m.database(ctx, name) }); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	m.now.Done, m.now.Database = len(list), ""
	m.show()
	there, err := names(ctx, m.To, func(name string) bool { return name == journalName || m.Skip(name) })
	if err == nil && !slices.Equal(there, list) {
		err = fmt.Errorf("%w: there are %d databases, want %d", ErrDiffers, len(there), len(list))
	}
	return err
}

func (m *mover) show() {
	if m.Show != nil {
		m.Show(m.now)
	}
}

func (m *mover) came(n int) {
	m.now.Bytes += int64(n)
	m.show()
}

func (m *mover) proved(n int) {
	m.now.Proved += int64(n)
	m.show()
}

// database moves a database with its indexes.
func (m *mover) database(ctx context.Context, name string) (err error) {
	from, err := m.From.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	a := &arrived{}
	found, err := m.journal.read(ctx, journalDone, []byte(name), a)
	if err != nil {
		return err
	}
	to, err := m.To.Open(ctx, name)
	if errors.Is(err, engine.ErrNoDB) && !found {
		to, err = m.To.Create(ctx, name)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if found {
		if err := m.stillThere(ctx, from, to); err != nil {
			return err
		}
		m.report.Skipped++
	} else {
		if a.Spaces, err = m.copyDB(ctx, from, to); err == nil {
			err = m.indexes(ctx, from, to, a)
		}
		if err == nil {
			err = m.journal.note(ctx, name, a)
		}
		if err != nil {
			return err
		}
	}
	m.count(name, a)
	return nil
}

// stillThere is a quick proof that a database which has arrived earlier is still there.
func (m *mover) stillThere(ctx context.Context, from, to engine.DB) error {
	for s := engine.Space(1); s <= lastSpace; s++ {
		want, err := lastKey(ctx, from, s)
		if err != nil {
			return err
		}
		got, err := lastKey(ctx, to, s)
		if err != nil {
			return err
		}
		if !bytes.Equal(want, got) {
			return fmt.Errorf("%w: space %d ends elsewhere", ErrDiffers, s)
		}
	}
	return nil
}

// indexes copies the indexes. One that is damaged stays behind.
func (m *mover) indexes(ctx context.Context, from, to engine.DB, a *arrived) error {
	l, can := from.(engine.SubLister)
	if !can {
		return nil
	}
	all, err := l.Subs(ctx)
	if err != nil {
		return err
	}
	a.Indexes = map[string][]sum{}
	for _, name := range all {
		sums, err := m.index(ctx, from, to, name)
		if errors.Is(err, engine.ErrForeign) {
			a.Lost = append(a.Lost, name)
			err = to.DropSub(ctx, name)
		} else if err == nil {
			a.Indexes[name] = sums
		}
		if err != nil {
			return fmt.Errorf("index %s: %w", name, err)
		}
	}
	return nil
}

func (m *mover) index(ctx context.Context, from, to engine.DB, name string) (sums []sum, err error) {
	source, err := from.Sub(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := to.Sub(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	return m.copyDB(ctx, source, target)
}

func (m *mover) count(name string, a *arrived) {
	m.report.Databases++
	m.report.Indexes += len(a.Indexes)
	for _, lost := range a.Lost {
		m.report.Rebuilt = append(m.report.Rebuilt, name+"/"+lost)
	}
	sums := a.Spaces
	for _, of := range a.Indexes {
		sums = append(sums, of...)
	}
	for _, s := range sums {
		m.report.Entries += s.Entries
		m.report.Bytes += s.Bytes
	}
}

// Size is what a database would send.
type Size struct {
	Name           string
	Entries, Bytes int64 // of keys and values
	Indexes        int
	IndexBytes     int64
}

// Sizes reads all that a move would move, and changes nothing.
func Sizes(ctx context.Context, eng engine.Engine, skip func(name string) bool, fn func(Size) error) error {
	list, err := names(ctx, eng, skip)
	for _, name := range list {
		size := Size{Name: name}
		if err == nil {
			err = size.read(ctx, eng)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", cmp.Or(name, "databases"), err)
		}
		if err = fn(size); err != nil {
			return err
		}
	}
	return err
}

func (z *Size) read(ctx context.Context, eng engine.Engine) (err error) {
	db, err := eng.Open(ctx, z.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if z.Entries, z.Bytes, err = weigh(ctx, db, pageOf(eng)); err != nil {
		return err
	}
	l, can := db.(engine.SubLister)
	if !can {
		return nil
	}
	subs, err := l.Subs(ctx)
	if err != nil {
		return err
	}
	for _, name := range subs {
		sub, err := db.Sub(ctx, name)
		if err != nil {
			return err
		}
		_, bytes, err := weigh(ctx, sub, pageOf(eng))
		if err = errors.Join(err, sub.Close()); err != nil && !errors.Is(err, engine.ErrForeign) {
			return err
		}
		z.Indexes, z.IndexBytes = z.Indexes+1, z.IndexBytes+bytes
	}
	return nil
}

func weigh(ctx context.Context, db engine.DB, page int) (entries, bytes int64, err error) {
	for s := engine.Space(1); s <= lastSpace && err == nil; s++ {
		err = eachPage(ctx, place{db, s}, nil, page, func(page []entry) error {
			entries += int64(len(page))
			for _, e := range page {
				bytes += int64(len(e.k) + len(e.v))
			}
			return nil
		})
	}
	return entries, bytes, err
}
