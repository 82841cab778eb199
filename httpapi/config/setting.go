package config

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Name is a setting's section and name.
type Name struct{ Section, Name string }

func (n Name) String() string { return "[" + n.Section + "] " + n.Name }

// Any is the name of a setting whose section takes any name, as [admins] does.
const Any = "*"

// Setting is one row of the table: what can be configured, and what it means.
type Setting struct {
	Name
	Default string
	Meaning string
	Kind    Kind
	Secret  bool // not to be shown to anybody, nor logged
}

// Settings is the table of all settings, in the order in which they are told.
func Settings() []Setting { return slices.Clone(settings) }

var settings = []Setting{
	{Name{"couchdb", "uuid"}, "", "identity of the server; made at the first start and then kept, because clients build their checkpoints on it", Text, false},
	{Name{"couchdb", "max_document_size"}, "8000000", "bytes of JSON that one document may have", Size, false},
	{Name{"couchdb", "max_attachment_size"}, "infinity", "bytes that one attachment may have, or infinity", Limit, false},
	{Name{"couchdb", "max_dbs_open"}, "500", "databases kept open at once; others are opened when they are asked for", Count, false},

	{Name{"chttpd", "bind_address"}, "127.0.0.1", "address to listen on; 0.0.0.0 or :: for every interface", Text, false},
	{Name{"chttpd", "port"}, "5984", "port to listen on; 0 for any free one", Port, false},
	{Name{"chttpd", "max_http_request_size"}, "4294967296", "bytes that the body of one request may have, after decompression", Size, false},
	{Name{"chttpd", "enable_cors"}, "false", "answer web pages of other origins, as [cors] says", Bool, false},

	{Name{"cors", "origins"}, "", "origins that may ask, comma-separated, or *", List, false},
	{Name{"cors", "credentials"}, "false", "those origins may send cookies and credentials", Bool, false},
	{Name{"cors", "headers"}, "", "request headers that they may send besides the usual ones, comma-separated", List, false},
	{Name{"cors", "methods"}, "", "methods that they may use, comma-separated; none given: all that the API has", List, false},
	{Name{"cors", "max_age"}, "600", "seconds for which a browser may remember the answer to a preflight request", Seconds, false},

	{Name{"chttpd_auth", "secret"}, "", "key that signs session cookies; made at the first start; a new one ends all sessions", Text, true},
	{Name{"chttpd_auth", "timeout"}, "600", "seconds that a session cookie is good for", Seconds, false},

	{Name{"admins", Any}, "", "administrators: name = password, which the server replaces by its hash", Text, true},

	{Name{"log", "level"}, "info", "least level that is logged: debug, info, notice, warning, error, critical, alert, emergency or none", Level, false},
}

// lookup finds the row of a name; the error says what there is instead.
func lookup(n Name) (*Setting, error) {
	var sections, names []string
	for i := range settings {
		row := &settings[i]
		if row.Section == n.Section {
			if row.Name.Name == n.Name || row.Name.Name == Any {
				return row, nil
			}
			names = append(names, row.Name.Name)
		}
		if !slices.Contains(sections, row.Section) {
			sections = append(sections, row.Section)
		}
	}
	if names == nil {
		return nil, &UnknownError{Name: n, Have: sections, section: true}
	}
	return nil, &UnknownError{Name: n, Have: names}
}

// UnknownError tells of a setting that does not exist.
type UnknownError struct {
	Name
	Have    []string // the names there are in its section, or the sections if that is unknown
	section bool
}

func (e *UnknownError) Error() string {
	if e.section {
		return fmt.Sprintf("no section [%s]; there are [%s]", e.Section, strings.Join(e.Have, "], ["))
	}
	return fmt.Sprintf("no setting %s; [%s] has %s", e.Name, e.Section, strings.Join(e.Have, ", "))
}

// ValueError tells of a value that a setting cannot have.
type ValueError struct {
	Name
	Value string // empty for a secret
	Want  string
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s = %q is not %s", e.Name, e.Value, e.Want)
}

// Kind is what the values of a setting look like.
type Kind int

const (
	Text    Kind = iota // one line of text
	Bool                // true or false
	Count               // a number from 1
	Size                // bytes, from 1
	Port                // 0 to 65535
	Seconds             // a number from 1
	List                // words with commas between them
	Level               // a level of the log
	Limit               // bytes, from 1, or infinity
)

var kindWants = [...]string{
	Text:    "one line of text",
	Bool:    "true or false",
	Count:   "a number from 1 to 2147483647",
	Size:    "a number of bytes from 1",
	Port:    "a port from 0 to 65535",
	Seconds: "a number of seconds from 1 to 2147483647",
	List:    "a list with commas between",
	Limit:   "a number of bytes from 1, or infinity",
	Level:   "debug, info, notice, warning, error, critical, alert, emergency or none",
}

func (k Kind) String() string { return kindWants[k] }

// check tells whether a setting can have the value.
func (s *Setting) check(value string) error {
	ok := true
	switch s.Kind {
	case Bool:
		ok = value == "true" || value == "false"
	case Count, Seconds:
		ok = within(value, 1, 1<<31-1)
	case Size:
		ok = within(value, 1, 1<<63-1)
	case Limit:
		ok = value == "infinity" || within(value, 1, 1<<63-1)
	case Port:
		ok = within(value, 0, 1<<16-1)
	case Level:
		_, ok = levels[value]
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.TrimSpace(value) != value {
		ok = false
	}
	if ok {
		return nil
	}
	if s.Secret {
		value = ""
	}
	return &ValueError{Name: s.Name, Value: value, Want: s.Kind.String()}
}

func within(value string, lo, hi int64) bool {
	n, err := strconv.ParseInt(value, 10, 64)
	return err == nil && lo <= n && n <= hi
}

// LevelNone is above every level that is logged.
const LevelNone = slog.Level(100)

// levels gives CouchDB's words their place among slog's levels.
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "notice": slog.LevelInfo,
	"warning": slog.LevelWarn, "error": slog.LevelError, "critical": slog.LevelError,
	"alert": slog.LevelError, "emergency": slog.LevelError, "none": LevelNone,
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

func seconds(value string) time.Duration {
	n, _ := strconv.ParseInt(value, 10, 64)
	return time.Duration(n) * time.Second
}
