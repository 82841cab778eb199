package journal

import (
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// DamageError says that the log is not what was written. It is an engine.ErrForeign.
type DamageError struct {
	Path   string // of the segment, or of the folder
	Offset int64  // in the segment
	Why    string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal: %s, at byte %d: %s", e.Path, e.Offset, e.Why)
}

// Unwrap makes it an engine.ErrForeign.
func (e *DamageError) Unwrap() error { return engine.ErrForeign }
