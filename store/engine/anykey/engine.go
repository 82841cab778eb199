package anykey

import (
	"context"
	"iter"
	"slices"

	"github.com/tododb/tododb/store/engine"
)

// wrapped is an engine whose keys have any length.
type wrapped struct {
	engine.Engine
	layout layout
}

// shortOf is the longest key that stands in its space as it is.
func shortOf(eng engine.Engine) int { return min(mostShort, eng.Caps().MaxKey-1) }

// Alike tells whether two engines, which are not wrapped, have keys of any length in the same places: what
// one holds can be copied into the other entry by entry.
func Alike(a, b engine.Engine) bool { return shortOf(a) == shortOf(b) }

// New wraps an engine. Databases without long keys are as they were.
func New(eng engine.Engine) engine.Engine {
	w := &wrapped{eng, layout{short: shortOf(eng), longest: longest}}
	s, stats := eng.(engine.Stater)
	n, tells := eng.(engine.Newest)
	switch {
	case stats && tells:
		return &both{&stating{w, s}, n}
	case stats:
		return &stating{w, s}
	case tells:
		return &telling{w, n}
	}
	return w
}

// newest has another name than its method, which a field of that name would hide.
type newest = engine.Newest

// telling is a wrapped engine that can tell how far databases are. A key comes as it is in the engine.
type telling struct {
	*wrapped
	newest
}

type both struct {
	*stating
	newest
}

var (
	_ engine.Newest = (*telling)(nil)
	_ engine.Newest = (*both)(nil)
	_ engine.Stater = (*both)(nil)
)

// stating is a wrapped engine that can tell of databases without opening them.
type stating struct {
	*wrapped
	engine.Stater
}

func (e *wrapped) Caps() engine.Caps {
	caps := e.Engine.Caps()
	caps.MaxKey = e.layout.longest
	return caps
}

// Create takes no long keys among the first entries: they could have no links.
func (e *wrapped) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	if slices.ContainsFunc(first, func(f engine.Entry) bool { return len(f.Key) > e.layout.short }) {
		return nil, engine.ErrTooLarge
	}
	return e.wrap(e.Engine.Create(ctx, name, first...))
}

func (e *wrapped) Open(ctx context.Context, name string) (engine.DB, error) {
	return e.wrap(e.Engine.Open(ctx, name))
}

func (e *wrapped) Aside(ctx context.Context, name string) (engine.Aside, error) {
	a, err := e.Engine.Aside(ctx, name)
	if err != nil {
		return nil, err
	}
	return &aside{database{a, &e.layout}, a}, nil
}

// aside is a database that is made aside.
type aside struct {
	database
	aside engine.Aside
}

func (a *aside) Publish(ctx context.Context) error { return a.aside.Publish(ctx) }
func (a *aside) Replace(ctx context.Context) error { return a.aside.Replace(ctx) }

func (e *wrapped) wrap(db engine.DB, err error) (engine.DB, error) {
	if err != nil {
		return nil, err
	}
	return &database{db, &e.layout}, nil
}

// database is a handle. It can do what the engine's can: where that cannot compact or does not
// know its size, this one does nothing and knows none.
type database struct {
	engine.DB
	layout *layout
}

func (d *database) View(ctx context.Context, fn func(engine.Reader) error) error {
	v := viewings.Get().(*viewing)
	v.layout, v.fn = d.layout, fn
	err := d.DB.View(ctx, v.run)
	v.reader, v.fn = reader{}, nil
	viewings.Put(v)
	return err
}

func (d *database) Update(ctx context.Context, fn func(engine.Tx) error) error {
	return d.DB.Update(ctx, func(t engine.Tx) error { return fn(&tx{reader{t, d.layout}, t}) })
}

// Foresee is part of engine.Foreseer. Where the engine's database is none, nothing is foreseen.
func (d *database) Foresee(ctx context.Context, keys []engine.SpaceKey) (engine.Reader, error) {
	f, ok := d.DB.(engine.Foreseer)
	if !ok {
		return nil, engine.ErrUnforeseen
	}
	r, err := f.Foresee(ctx, d.layout.allAt(keys))
	if err != nil {
		return nil, err
	}
	return &reader{r, d.layout}, nil
}

// ForeseeSoon is part of engine.Foreseer.
func (d *database) ForeseeSoon(ctx context.Context, keys []engine.SpaceKey) (func() (engine.Reader, error), error) {
	f, ok := d.DB.(engine.Foreseer)
	if !ok {
		return nil, engine.ErrUnforeseen
	}
	answer, err := f.ForeseeSoon(ctx, d.layout.allAt(keys))
	if err != nil {
		return nil, err
	}
	return func() (engine.Reader, error) {
		r, err := answer()
		if err != nil {
			return nil, err
		}
		return &reader{r, d.layout}, nil
	}, nil
}

// Stage takes no long keys: what is staged in parts could have no links.
func (d *database) Stage(ctx context.Context, s engine.Space, kvs iter.Seq2[[]byte, []byte]) error {
	long := false
	err := d.DB.Stage(ctx, s, func(yield func(k, v []byte) bool) {
		for k, v := range kvs {
			if long = len(k) > d.layout.short; long || !yield(k, v) {
				return
			}
		}
	})
	if long && err == nil {
		err = engine.ErrTooLarge
	}
	return err
}

func (d *database) Sub(ctx context.Context, name string) (engine.DB, error) {
	sub, err := d.DB.Sub(ctx, name)
	if err != nil {
		return nil, err
	}
	return &database{sub, d.layout}, nil
}

func (d *database) Subs(ctx context.Context) ([]string, error) {
	if l, ok := d.DB.(engine.SubLister); ok {
		return l.Subs(ctx)
	}
	return nil, nil
}

func (d *database) Compact(ctx context.Context) error {
	if c, ok := d.DB.(engine.Compacter); ok {
		return c.Compact(ctx)
	}
	return nil
}

func (d *database) Size(ctx context.Context) (int64, error) {
	if s, ok := d.DB.(engine.Sizer); ok {
		return s.Size(ctx)
	}
	return 0, nil
}

func (d *database) Free(ctx context.Context) (int64, error) {
	if m, ok := d.DB.(engine.Measurer); ok {
		return m.Free(ctx)
	}
	return 0, nil
}

func (d *database) Packed(ctx context.Context) ([]engine.Packed, error) {
	if m, ok := d.DB.(engine.Measurer); ok {
		return m.Packed(ctx)
	}
	return nil, nil
}

// Era is part of engine.Eras. Where the engine knows of none it is zero.
func (e *wrapped) Era() (engine.Era, error) {
	if eras, ok := e.Engine.(engine.Eras); ok {
		return eras.Era()
	}
	return engine.Era{}, nil
}
