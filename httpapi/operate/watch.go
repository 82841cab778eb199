package operate

import (
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"github.com/tododb/tododb/httpapi/logging"
	"github.com/tododb/tododb/httpapi/metrics"
	"github.com/tododb/tododb/httpapi/wire"
)

// LogTail has the last lines of the server's log, as logging.Log has.
type LogTail interface {
	Tail(after uint64, least slog.Level, most int) (lines []logging.Line, next uint64)
}

// History answers GET _history: the figures of the last hour, or those after the time that since
// names, in seconds since 1970.
func (o *Room) History(w http.ResponseWriter, r *http.Request) error {
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	after := 0.0
	if value, is := query.Get("since"); is {
		if after, err = strconv.ParseFloat(value, 64); err != nil || math.IsNaN(after) || math.IsInf(after, 0) {
			return wire.QueryError("Invalid value for since: %q", value)
		}
	}
	b, err := o.ofProcess(r, askHistory, after)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}

// historyAfter are the figures of this process after a time.
func (o *Room) historyAfter(after float64) ([]byte, error) {
	return json.Marshal(struct {
		Interval float64         `json:"interval"`
		Points   []metrics.Point `json:"points"`
	}{metrics.Interval.Seconds(), o.history.Since(after)})
}

// usualLines is how many lines of the log somebody gets who does not say how many.
const usualLines = 100

// levels are the words for what a line of the log at least must be.
var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warning": slog.LevelWarn, "error": slog.LevelError}

// Log answers GET _log: the last lines of the log (lines, level), or those that came after a
// number (since).
func (o *Room) Log(w http.ResponseWriter, r *http.Request) error {
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	most, least, after := usualLines, slog.LevelDebug, 0
	if value, is := query.Get("lines"); is {
		if most, err = wire.ParsePositive(value); err != nil {
			return err
		}
	}
	if value, is := query.Get("since"); is {
		if after, err = wire.ParsePositive(value); err != nil {
			return err
		}
	}
	if value, is := query.Get("level"); is {
		if least, is = levels[value]; !is {
			return wire.QueryError("Invalid value for level: %q is not debug, info, warning or error", value)
		}
	}
	b, err := o.ofProcess(r, askLog, tailed{uint64(after), least, most})
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}

// tailed says which lines of a log somebody wants.
type tailed struct {
	After uint64
	Least slog.Level
	Most  int
}

// tail are lines of the log of this process.
func (o *Room) tail(q tailed) ([]byte, error) {
	answer := struct {
		Lines []logging.Line `json:"lines"`
		Next  uint64         `json:"next"`
	}{Lines: []logging.Line{}}
	if o.log != nil {
		answer.Lines, answer.Next = o.log.Tail(q.After, q.Least, q.Most)
	}
	return json.Marshal(answer)
}
