//go:build !linux

package worker

import "time"

// meter knows nothing on systems without a cheap way to find out: workers watch themselves.
type meter struct{}

func openMeter(int) *meter { return &meter{} }

func (*meter) close()                     {}
func (*meter) size() (int64, bool)        { return 0, false }
func (*meter) cpu() (time.Duration, bool) { return 0, false }
