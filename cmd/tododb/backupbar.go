package main

import (
	"fmt"
	"os"

	"github.com/schollz/progressbar/v3"

	"github.com/tododb/tododb/store/backup/repository"
)

// moving shows on a terminal how far a backup or a restore is, and nothing elsewhere.
type moving struct{ bar *progressbar.ProgressBar }

func newMoving(w *os.File) *moving {
	if !isTerminal(w) {
		return &moving{}
	}
	return &moving{progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true),
		progressbar.OptionThrottle(pollProgress), progressbar.OptionClearOnFinish(), progressbar.OptionSpinnerType(14))}
}

func (m *moving) show(p repository.Progress) {
	if m.bar == nil {
		return
	}
	if p.Database != "" {
		m.bar.Describe(fmt.Sprintf("%s (%d of %d)", p.Database, p.Done+1, p.All))
	}
	m.bar.Set64(p.Bytes)
}

// close takes the bar away. It may be called twice.
func (m *moving) close() {
	if m.bar != nil {
		m.bar.Finish()
		m.bar = nil
	}
}
