package journal

import (
	"errors"
	"io/fs"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// Check reads the journal in a folder without changing anything, and reports what is wrong with it. A torn tail is
// not: Open cuts it off. It is no error if there is no journal. If another process has it, the error is
// engine.ErrUnavailable.
func Check(at string, report func(problem string)) error {
	in := dir{dir: at, wait: time.Second}
	names, err := in.names()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return engine.SystemError(err)
	}
	numbers, _ := segments(names)
	if len(numbers) == 0 {
		return nil
	}
	unlock, err := in.lock(false)
	switch {
	case err == nil:
		defer unlock.Close()
	case !errors.Is(err, fs.ErrNotExist): // as in a copy
		return engine.SystemError(err)
	}
	r := newReader(in, func(Pos, []byte) error { return nil })
	_, err = r.all(numbers)
	var damage *DamageError
	if errors.As(err, &damage) {
		report(damage.Error())
		err = nil
	}
	return engine.SystemError(err)
}
