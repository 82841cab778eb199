package config

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is what the values of a setting look like.
type Kind struct {
	want string // what a value must be, for people
	ok   func(value string) bool
	read reading
}

// reading is which getter a kind is read with.
type reading int

const (
	asText reading = iota
	asBool
	asInt
	asFloat
	asDuration
	asList
	asNets
	asPorts
	asLevel
)

// The kinds, in addition to those that OneOf makes.
var (
	Text    = &Kind{"one line of text", func(string) bool { return true }, asText}
	Bool    = &Kind{"true or false", func(v string) bool { return v == "true" || v == "false" }, asBool}
	Count   = &Kind{"a number from 1 to 2147483647", between(1, 1<<31-1), asInt}
	Number  = &Kind{"a number from 0 to 2147483647", between(0, 1<<31-1), asInt}
	Size    = &Kind{"a number of bytes from 1", between(1, 1<<63-1), asInt}
	Limit   = &Kind{"a number of bytes from 1, or infinity", orInfinity(between(1, 1<<63-1)), asInt} // read as 0 for infinity
	Port    = &Kind{"a port from 0 to 65535", between(0, 1<<16-1), asInt}
	Share   = &Kind{"a number from 0 to 1", isShare, asFloat}
	Rate    = &Kind{"a number from 0 to 1000000", isRate, asFloat}
	Seconds = &Kind{"a number of seconds from 1 to 2147483647", between(1, 1<<31-1), asDuration}
	Wait    = &Kind{"a number of seconds from 0 to 2147483647", between(0, 1<<31-1), asDuration}
	Millis  = &Kind{"a number of milliseconds from 1 to 2147483647", between(1, 1<<31-1), asDuration}
	List    = &Kind{"a list with commas between", func(string) bool { return true }, asList}
	Nets    = &Kind{"a list of addresses and networks (192.0.2.7, 10.0.0.0/8) with commas between", func(v string) bool { _, ok := ParseNetworks(v); return ok }, asNets}
	Ports   = &Kind{"a list of ports (443, 5984-5999) with commas between", func(v string) bool { _, ok := parsePorts(v); return ok }, asPorts}
	Ways    = &Kind{"a list of {chttpd_auth, X_authentication_handler} where X is cookie, default, proxy or jwt", areWays, asList}
	Level   = &Kind{"debug, info, notice, warning, error, critical, alert, emergency or none", func(string) bool { return true }, asLevel}
)

// OneOf makes the kind of a setting whose value is one of some words.
func OneOf(words ...string) *Kind {
	return &Kind{"one of " + strings.Join(words, ", "), func(v string) bool {
		for _, w := range words {
			if v == w {
				return true
			}
		}
		return false
	}, asText}
}

func (k *Kind) String() string { return k.want }

// check tells whether a setting can have the value.
func (s *Setting) check(value string) error {
	if len(value) > maxValue {
		return s.refuse(value[:20]+"...", fmt.Sprintf("a value of at most %d bytes", maxValue))
	}
	control := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f })
	if !control && utf8.ValidString(value) && strings.TrimSpace(value) == value && (s.Kind.ok(value) || value == "" && s.Default == "") {
		return nil
	}
	return s.refuse(value, s.Kind.want)
}

// refuse says that the setting cannot have this value. It does not repeat a secret.
func (s *Setting) refuse(value, want string) error {
	if s.Is(Secret) {
		value = ""
	}
	return &ValueError{Name: s.Name, Value: value, Want: want}
}

// maxValue is how many bytes a value may have. All settings are in memory, and every change
// writes all of them.
const maxValue = 64 << 10

func between(lo, hi int64) func(string) bool {
	return func(value string) bool {
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && lo <= n && n <= hi
	}
}

func orInfinity(number func(string) bool) func(string) bool {
	return func(value string) bool { return value == "infinity" || number(value) }
}

func isShare(value string) bool { return floatUpTo(value, 1) }
func isRate(value string) bool  { return floatUpTo(value, 1e6) }

func floatUpTo(value string, most float64) bool {
	f, err := strconv.ParseFloat(value, 64)
	return err == nil && f >= 0 && f <= most // not true of NaN
}

// LevelNone is above every level that is logged.
const LevelNone = slog.Level(100)

// levels maps CouchDB's words, and the numbers that stand for them, to slog's levels.
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "1": slog.LevelDebug,
	"info": slog.LevelInfo, "2": slog.LevelInfo, "notice": slog.LevelInfo, "3": slog.LevelInfo,
	"warning": slog.LevelWarn, "warn": slog.LevelWarn, "4": slog.LevelWarn,
	"error": slog.LevelError, "err": slog.LevelError, "5": slog.LevelError,
	"critical": slog.LevelError, "crit": slog.LevelError, "6": slog.LevelError,
	"alert": slog.LevelError, "7": slog.LevelError,
	"emergency": slog.LevelError, "emerg": slog.LevelError, "8": slog.LevelError,
	"none": LevelNone, "9": LevelNone,
}

// CheckLevel refuses a word that is not a level. In a file such a word means info, as in
// CouchDB, so a server still starts. People who type one want to be told.
func CheckLevel(word string) error {
	if _, ok := levels[word]; ok {
		return nil
	}
	return &ValueError{Name: Name{"log", "level"}, Value: word, Want: Level.want}
}

// parseWays reads CouchDB's list of its authentication functions.
func parseWays(value string) (ways []string, ok bool) {
	for _, word := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune("{}, \t", r) }) {
		switch name := strings.TrimSuffix(word, "_authentication_handler"); name {
		case "chttpd_auth", "couch_httpd_auth":
		case "cookie", "default", "proxy", "jwt":
			if name == word {
				return nil, false
			}
			ways = append(ways, name)
		default:
			return nil, false
		}
	}
	return ways, true
}

func areWays(value string) bool { _, ok := parseWays(value); return ok }

func splitList(value string) []string {
	var list []string
	for word := range strings.SplitSeq(value, ",") {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}

func (k *Kind) duration(value string) time.Duration {
	n, _ := strconv.ParseInt(value, 10, 64)
	if k == Millis {
		return time.Duration(n) * time.Millisecond
	}
	return time.Duration(n) * time.Second
}
