package config

import (
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind is what the values of a setting look like.
type Kind struct {
	want string // what a value must be, for people
	ok   func(value string) bool
	read reading
	// lenient says that any text is kept. One that is not ok leaves the default in force.
	lenient bool
	words   []string // all that it can be, if they are few
	filled  bool     // it cannot be empty, although there is no default
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
	asTerms
)

// The kinds, in addition to those that OneOf makes.
var (
	Text    = &Kind{want: "one line of text", ok: func(string) bool { return true }, read: asText}
	Bool    = &Kind{want: "true or false", ok: func(v string) bool { return v == "true" || v == "false" }, read: asBool, words: []string{"false", "true"}}
	Count   = &Kind{want: "a number from 1 to 2147483647", ok: between(1, 1<<31-1), read: asInt}
	Number  = &Kind{want: "a number from 0 to 2147483647", ok: between(0, 1<<31-1), read: asInt}
	Size    = &Kind{want: "a number of bytes from 1", ok: between(1, 1<<63-1), read: asInt}
	Room    = &Kind{want: "a number of bytes, 0 or less for no limit", ok: between(-1<<63, 1<<63-1), read: asInt}
	Rows    = &Kind{want: "a number of rows from 0", ok: between(0, 1<<63-1), read: asInt}
	Limit   = &Kind{want: "a number from 1, or infinity", ok: orInfinity(between(1, 1<<63-1)), read: asInt} // read as 0 for infinity
	Port    = &Kind{want: "a port from 0 to 65535", ok: between(0, 1<<16-1), read: asInt}
	Share   = &Kind{want: "a number from 0 to 1", ok: isShare, read: asFloat}
	Rate    = &Kind{want: "a number from 0 to 1000000", ok: isRate, read: asFloat}
	Bytes   = &Kind{want: "a number of bytes from 0", ok: between(0, 1<<63-1), read: asInt}
	Amount  = &Kind{want: "a number from 0, or infinity", ok: isAmount, read: asFloat} // read as +Inf for infinity
	Percent = &Kind{want: "a number from 0 to 100", ok: between(0, 100), read: asInt}
	Clock   = &Kind{want: "a time of day in UTC, as HH:MM", ok: func(v string) bool { _, err := time.Parse("15:04", v); return err == nil }, read: asText}
	Seconds = &Kind{want: "a number of seconds from 1 to 2147483647", ok: between(1, 1<<31-1), read: asDuration}
	Wait    = &Kind{want: "a number of seconds from 0 to 2147483647", ok: between(0, 1<<31-1), read: asDuration}
	Millis  = &Kind{want: "a number of milliseconds from 1 to 2147483647", ok: between(1, 1<<31-1), read: asDuration}
	List    = &Kind{want: "a list with commas between", ok: func(string) bool { return true }, read: asList}
	Nets    = &Kind{want: "a list of addresses and networks (192.0.2.7, 10.0.0.0/8) with commas between", ok: func(v string) bool { _, ok := ParseNetworks(v); return ok }, read: asNets}
	Ports   = &Kind{want: "a list of ports (443, 5984-5999) with commas between", ok: func(v string) bool { _, ok := parsePorts(v); return ok }, read: asPorts}
	Ways    = &Kind{want: "a list of {chttpd_auth, X_authentication_handler} where X is cookie, default, proxy or jwt", ok: areWays, read: asList}
	DBName  = &Kind{want: "the name of a database", ok: isDBName, read: asText}
	HTTPS   = &Kind{want: "names of hosts such as db.example.org with commas between, or self and further names", ok: areNamesForHTTPS, read: asList}
	Terms   = &Kind{want: `a list such as [{a,b}, "c"]`, ok: func(v string) bool { _, ok := ParseTerms(v); return ok }, read: asTerms}
	// TLSVersions must leave one that is safe.
	TLSVersions = &Kind{want: "a list such as ['tlsv1.2', 'tlsv1.3'] with at least one of these", ok: func(v string) bool { list, ok := tlsVersions(v); return ok && len(list) > 0 }, read: asTerms}
	Level       = &Kind{want: "debug, info, notice, warning, error, critical, alert, emergency or none", ok: func(string) bool { return true }, read: asLevel}
	// Schedule and Within are what packages schedule and repository below store/backup parse.
	Schedule = &Kind{want: "an interval (30m, 1h, 1d), times of the day (02:00, 14:00), continuous, or manual", ok: isSchedule, read: asText}
	Within   = &Kind{want: "a duration such as 12h, 7d, 3w, 2mo or 1y", ok: isWithin, read: asText}
	// Hashes are those that package auth signs with.
	Hashes = &Kind{want: "a list of sha, sha224, sha256, sha384 and sha512 with commas between", ok: areHashes, read: asList}
	// Password is what an administrator logs in with: who left it empty would let everybody in.
	Password = &Kind{want: "a password of at least one character, or the hash of one", ok: func(v string) bool { return v != "" }, read: asText, filled: true}
)

var (
	isSchedule = matches(`^(continuous|manual|([0-9]{1,4}(m|h|d|w|mo|y))+|([01][0-9]|2[0-3]):[0-5][0-9]( *, *([01][0-9]|2[0-3]):[0-5][0-9])*)$`)
	isWithin   = matches(`^([0-9]{1,4}(m|h|d|w|mo|y))+$`)
	isHash     = matches(`^sha(224|256|384|512)?$`)
	isDBName   = matches(`^(_users|[a-z][a-z0-9_$()+/-]{0,237})$`)
)

// matches tells whether a text is of a form. The expression is compiled when it is first asked, as most servers, and
// all commands, never ask.
func matches(expression string) func(text string) bool {
	form := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
	return func(text string) bool { return form().MatchString(text) }
}

// OneOf makes the kind of a setting whose value is one of some words.
func OneOf(words ...string) *Kind {
	return &Kind{want: "one of " + strings.Join(words, ", "), ok: func(v string) bool { return slices.Contains(words, v) }, read: asText, words: words}
}

// OrDefault makes a kind that keeps any text, as CouchDB does with all settings. It is for
// settings whose default can do no harm.
func OrDefault(kind *Kind) *Kind {
	lenient := *kind
	lenient.lenient = true
	return &lenient
}

// counts tells whether a kept value is in force.
func (k *Kind) counts(value string) bool { return !k.lenient || k.ok(value) }

func (k *Kind) String() string { return k.want }

// Words returns all values that a setting of the kind can have, if they are few; otherwise nil.
func (k *Kind) Words() []string { return k.words }

// check tells whether a setting can have the value.
func (s *Setting) check(value string) error {
	if len(value) > maxValue {
		return s.refuse(value[:20]+"...", fmt.Sprintf("a value of at most %d bytes", maxValue))
	}
	fits := printable(value) && strings.TrimSpace(value) == value
	if fits && (s.Kind.lenient || s.Kind.ok(value) || value == "" && s.Default == "" && !s.Kind.filled) {
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

func isAmount(value string) bool { return value == "infinity" || floatUpTo(value, math.MaxFloat64) }

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

// tlsVersions reads a list of Erlang's names of versions. It returns those that are in use.
func tlsVersions(value string) (versions []uint16, ok bool) {
	list, ok := ParseTerms(value)
	for _, one := range list {
		switch one[0] {
		case "tlsv1.3":
			versions = append(versions, 0x0304)
		case "tlsv1.2":
			versions = append(versions, 0x0303)
		case "tlsv1.1", "tlsv1", "sslv3":
		default:
			return nil, false
		}
	}
	return versions, ok
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

func areHashes(value string) bool {
	return !slices.ContainsFunc(splitList(value), func(one string) bool { return !isHash(one) })
}

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
