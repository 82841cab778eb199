package worker

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// meter reads how much a process takes, from files that stay open.
type meter struct{ statm, stat *os.File }

func openMeter(pid int) *meter {
	dir := "/proc/" + strconv.Itoa(pid)
	m := &meter{}
	var err error
	if m.statm, err = os.Open(dir + "/statm"); err != nil {
		return m
	}
	if m.stat, err = os.Open(dir + "/stat"); err != nil {
		m.stat = nil
	}
	return m
}

func (m *meter) close() {
	for _, f := range []*os.File{m.statm, m.stat} {
		if f != nil {
			_ = f.Close() // it was only read
		}
	}
}

// size is the private memory of the process; ok is false if that is not known.
func (m *meter) size() (bytes int64, ok bool) {
	if m.statm == nil {
		return 0, false
	}
	var buf [256]byte
	n, _ := m.statm.ReadAt(buf[:], 0)
	resident, rest := field(buf[:n], 1)
	shared, _ := field(rest, 0)
	return (resident - shared) * int64(os.Getpagesize()), n > 0
}

// ticksPerSecond is USER_HZ, which has long been 100 in Linux on every machine.
const ticksPerSecond = 100

// cpu is how long the process has been computing; ok is false if that is not known.
func (m *meter) cpu() (time.Duration, bool) {
	if m.stat == nil {
		return 0, false
	}
	var buf [1024]byte
	n, _ := m.stat.ReadAt(buf[:], 0)
	i := bytes.LastIndexByte(buf[:n], ')') // after the name
	if i < 0 || i+2 >= n {
		return 0, false
	}
	user, rest := field(buf[i+2:n], 11)
	system, _ := field(rest, 0)
	return time.Duration(user+system) * (time.Second / ticksPerSecond), true
}

// field returns the number in the n-th word of a line, and the rest after it.
func field(line []byte, n int) (int64, []byte) {
	for range n {
		_, line, _ = bytes.Cut(line, []byte{' '})
	}
	word, rest, _ := bytes.Cut(line, []byte{' '})
	v, err := strconv.ParseInt(string(word), 10, 64)
	if err != nil {
		return 0, rest
	}
	return v, rest
}
