package bolt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/tododb/tododb/store/engine"
)

// CheckStorage reads all pages of the database and its sub-databases. Nobody writes to the files meanwhile.
// It returns an error if the database's records are better not read.
func (d *db) CheckStorage(ctx context.Context, report func(string)) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	err := d.file.check(ctx, func(problem string) { report("storage: " + problem) })
	subs, unread := subFiles(d.file.path)
	if unread != nil {
		return errors.Join(err, unread)
	}
	for _, path := range subs {
		if ctx.Err() != nil {
			break
		}
		say := func(problem string) {
			report("storage of " + strings.TrimSuffix(filepath.Base(path), suffix) + ": " + problem)
		}
		e := d.file.eng
		e.mu.Lock()
		f := e.files[path]
		e.mu.Unlock()
		var bad error
		if f != nil {
			bad = f.check(ctx, say)
		} else {
			bad = checkFile(ctx, path, e.opt, say)
		}
		switch {
		case errors.Is(bad, engine.ErrForeign):
			say(bad.Error())
		case bad != nil && !errors.Is(bad, engine.ErrClosed) && !errors.Is(bad, engine.ErrNoDB): // ErrClosed, ErrNoDB: it was closed or dropped meanwhile
			err = errors.Join(err, bad)
		}
	}
	return errors.Join(err, ctx.Err())
}

// check reads the pages of an open file.
func (f *file) check(ctx context.Context, report func(string)) error {
	f.flush.Lock()
	defer f.flush.Unlock()
	f.swap.RLock()
	defer f.swap.RUnlock()
	if err := f.state(); err != nil || f.bolt == nil {
		return err
	}
	return checkPages(ctx, f.opened, f.damage, report)
}

// checkFile reads the pages of a file that nobody has open.
func checkFile(ctx context.Context, path string, opt Options, report func(string)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if ok, err := lockFile(f, opt.LockTimeout); err != nil || !ok {
		return errors.Join(err, engine.ErrUnavailable)
	}
	defer unlockFile(f)
	return checkPages(ctx, f, (&file{path: path}).damage, report)
}

func checkPages(ctx context.Context, f *os.File, damage func(any) error, report func(string)) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := openPages(f, info.Size())
	if err != nil {
		return damage(err)
	}
	sound := p.check(ctx, report)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !sound {
		return damage("its pages cannot be followed")
	}
	return nil
}
