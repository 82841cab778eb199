package logging

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	tailLines = 1000    // that are kept
	tailBytes = 4 << 10 // of one line; the rest of a longer one is left out
)

// Line is a line of the log that is kept in memory.
type Line struct {
	Number uint64    `json:"number"` // the first line since the start is 1
	Time   time.Time `json:"time"`
	Level  string    `json:"level"` // debug, info, warning or error
	Text   string    `json:"text"`  // as it was written, without its end
}

// tail has the last lines of the log.
type tail struct {
	written uint64 // lines since the start
	lines   []kept // a ring: line n is at (n-1) % tailLines
}

type kept struct {
	at    time.Time
	level slog.Level
	text  []byte // whose room is used again
}

func (t *tail) add(at time.Time, level slog.Level, line []byte) {
	if len(t.lines) < tailLines {
		t.lines = append(t.lines, kept{})
	}
	one := &t.lines[t.written%tailLines]
	t.written++
	line = bytes.TrimSuffix(line, []byte{'\n'})
	if cap(one.text) > max(2*len(line), tailBytes/4) { // a long line's room is not kept for short ones
		one.text = nil
	}
	one.at, one.level, one.text = at, level, append(one.text[:0], line[:min(len(line), tailBytes)]...)
	if len(line) > tailBytes {
		for len(one.text) > 0 && !utf8.Valid(one.text[max(0, len(one.text)-utf8.UTFMax):]) { // not in the middle of a character
			one.text = one.text[:len(one.text)-1]
		}
		one.text = append(one.text, "…"...)
	}
}

// Tail returns the last lines, at most so many, the oldest first: only lines with a number above
// after, and only of the least level or above. next is the number to ask after for what comes then. The
// log has to have been opened to log such levels.
func (l *Log) Tail(after uint64, least slog.Level, most int) (lines []Line, next uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.tail
	lines = []Line{}
	oldest := t.written - uint64(len(t.lines)) // the number of the line before it
	for n := t.written; n > max(after, oldest) && len(lines) < most; n-- {
		one := t.lines[(n-1)%tailLines]
		if one.level >= least {
			lines = append(lines, Line{n, one.at, levelWord(one.level), strings.ToValidUTF8(string(one.text), "\uFFFD")})
		}
	}
	slices.Reverse(lines)
	return lines, t.written
}

func levelWord(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "error"
	case level >= slog.LevelWarn:
		return "warning"
	case level >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}
