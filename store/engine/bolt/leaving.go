package bolt

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/tododb/tododb/store/durable"
)

// leavingSuffix ends the name of an empty file, NAME.ID.leaving, that says what recordLeave says, if there is no room in the
// journal for that: a name takes none. It goes when the journal says that the database is gone.
const leavingSuffix = ".leaving"

func (e *Engine) leavingPath(d debt) string {
	return beside(e.path(d.name), "."+string(d.id)+leavingSuffix, "")
}

func (e *Engine) putLeaving(d debt) error {
	f, err := os.OpenFile(e.leavingPath(d), os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err == nil && !e.opt.NoSync {
		err = durable.Names(e.dir)
	}
	if err == nil {
		if e.leaving == nil {
			e.leaving = map[debt]bool{}
		}
		e.leaving[d] = true
	}
	return err
}

// removeLeaving removes it, if there is one. One that a power cut brings back does no harm. The caller holds mu.
func (e *Engine) removeLeaving(d debt) {
	if e.leaving[d] && removeIfThere(e.leavingPath(d)) == nil {
		delete(e.leaving, d)
	}
}

// readLeaving finds the files of what was about to go.
func (e *Engine) readLeaving() (paths []string, err error) {
	entries, err := os.ReadDir(e.dir)
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), leavingSuffix) {
			paths = append(paths, filepath.Join(e.dir, entry.Name()))
		}
	}
	return paths, err
}

// leave takes in what was about to go. A path does not tell the whole of a long name.
func (v *recovery) leave(paths []string) {
	if len(paths) == 0 {
		return
	}
	of := map[string]whose{}
	for w := range v.of {
		of[v.eng.leavingPath(debt(w))] = w
	}
	for _, path := range paths {
		w, known := of[path]
		if known {
			v.of[w].leave()
		}
		switch {
		case v.eng.opt.AsItIs:
		case known && v.of[w].left: // there will be a debt
			if v.eng.leaving == nil {
				v.eng.leaving = map[debt]bool{}
			}
			v.eng.leaving[debt(w)] = true
		default:
			_ = removeIfThere(path) // the next start tries again
		}
	}
}
