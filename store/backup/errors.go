package backup

import (
	"errors"
	"fmt"
)

// Broken says why bytes are not a stream, or not one that can be folded here: damaged, cut, of an
// unknown version, of another database, or out of order. Nothing was changed.
type Broken struct{ Reason string }

func (e *Broken) Error() string { return "bad backup: " + e.Reason }

func broken(format string, args ...any) error { return &Broken{fmt.Sprintf(format, args...)} }

// ErrContinue says that a database cannot be continued from a Point: it is not of its history, or
// too much is gone since. A whole stream is needed.
var ErrContinue = errors.New("the database cannot be continued from there: a whole backup is needed")
