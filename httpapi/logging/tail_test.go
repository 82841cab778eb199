package logging

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

// The last lines of the log stay in memory, by level and number, in bounded memory.
func TestTail(t *testing.T) {
	t.Parallel()
	l, err := Open(Destination{Writer: "stderr"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	h, err := l.Handler(func(w io.Writer) (slog.Handler, error) { return slog.NewTextHandler(w, nil), nil })
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	if lines, next := l.Tail(0, slog.LevelDebug, 10); len(lines) != 0 || next != 0 {
		t.Errorf("at first: %v, %d", lines, next)
	}
	log.Debug("not logged")
	log.Info("one")
	log.Warn("two", "long", strings.Repeat("é", tailBytes))
	log.Error("three")
	lines, next := l.Tail(0, slog.LevelDebug, 10)
	if len(lines) != 3 || next != 3 || lines[0].Number != 1 || lines[0].Level != "info" || lines[2].Level != "error" || !strings.HasSuffix(lines[2].Text, "msg=three") || lines[2].Time.IsZero() {
		t.Fatalf("%+v, %d", lines, next)
	}
	if long := lines[1].Text; len(long) > tailBytes+len("…") || !strings.HasSuffix(long, "é…") {
		t.Errorf("a long line has %d bytes and ends in %q", len(long), long[len(long)-8:])
	}
	if lines, _ = l.Tail(0, slog.LevelWarn, 1); len(lines) != 1 || lines[0].Number != 3 {
		t.Errorf("the last warning: %+v", lines)
	}
	if lines, _ = l.Tail(0, slog.LevelWarn, 9); len(lines) != 2 {
		t.Errorf("warnings: %+v", lines)
	}
	for n := range 2 * tailLines {
		log.Info(fmt.Sprint("line ", n))
	}
	lines, next = l.Tail(next, slog.LevelDebug, 3*tailLines)
	if len(lines) != tailLines || next != 3+2*tailLines || lines[0].Number != next-tailLines+1 || !strings.HasSuffix(lines[tailLines-1].Text, fmt.Sprintf(`"line %d"`, 2*tailLines-1)) {
		t.Errorf("%d lines from %+v, next %d", len(lines), lines[0], next)
	}
	if lines, same := l.Tail(next, slog.LevelDebug, 10); len(lines) != 0 || same != next {
		t.Errorf("nothing new: %+v, %d", lines, same)
	}
}
