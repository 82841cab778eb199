package config

import (
	"fmt"
	"slices"
	"strings"
)

// Name is a setting's section and name.
type Name struct{ Section, Name string }

func (n Name) String() string { return "[" + n.Section + "] " + n.Name }

// Any is the name of a setting whose section accepts any name, as [admins] does.
const Any = "*"

// Setting is one row of the table: something to configure, and what it means.
type Setting struct {
	Name
	Default string
	Kind    *Kind
	Traits  Traits
	Meaning string // for the manual, one phrase
}

// Traits say what is special about a setting. Without any, administrators may read it and a
// change is in force at once.
type Traits int

const (
	Secret  Traits = 1 << iota // shown to nobody, and never logged
	Restart                    // a change is in force after the next start
	Filed                      // set only in files: administrators cannot change it over HTTP
	Inert                      // kept, and without effect here
	Refused                    // has one value, because another would promise what the server does not do
	Older                      // also read from the section where older programs write it (olderSection)
	Given                      // shown even if nobody has set it, because CouchDB's default.ini sets it
	Own                        // each process has its own, where several share a storage
)

// Words are the traits by name: secret, restart, file, inert and refused, as far as they apply.
func (t Traits) Words() []string {
	words := []string{}
	for _, one := range []struct {
		trait Traits
		word  string
	}{{Secret, "secret"}, {Restart, "restart"}, {Filed, "file"}, {Inert, "inert"}, {Refused, "refused"}} {
		if t&one.trait != 0 {
			words = append(words, one.word)
		}
	}
	return words
}

// olderSection is where CouchDB looks for a setting that is not set in its own section, and
// where it had its place before.
var olderSection = map[string]string{"chttpd": "httpd", "chttpd_auth": "couch_httpd_auth"}

// Is tells whether the setting has a trait.
func (s *Setting) Is(t Traits) bool { return s.Traits&t != 0 }

// settings is the table with what follows from it: the rows of older sections, and the
// settings without effect.
var settings = slices.Concat(table, channels(), older(table), inert())

func older(table []Setting) (rows []Setting) {
	for _, row := range table {
		name := Name{olderSection[row.Section], row.Name.Name}
		if !row.Is(Older) || slices.ContainsFunc(table, func(has Setting) bool { return has.Name == name }) {
			continue
		}
		row.Meaning = "used for " + row.Name.String() + " while that is not set"
		row.Name = name
		row.Traits &^= Older | Given
		rows = append(rows, row)
	}
	return rows
}

// rows finds a row by its name.
var rows = func() map[Name]*Setting {
	m := make(map[Name]*Setting, len(settings))
	for i := range settings {
		m[settings[i].Name] = &settings[i]
	}
	return m
}()

// lookup finds the row of a name. A name that is not in the table is known to nobody, and has
// a row for any text.
func lookup(n Name) (row *Setting, known bool) {
	if row := rows[n]; row != nil {
		return row, true
	}
	if row := rows[Name{n.Section, Any}]; row != nil {
		return row, true
	}
	if whole, is := ofHost(n); is {
		if row := rows[whole]; row != nil {
			one := *row
			one.Name = n
			return &one, true
		}
	}
	if strings.HasPrefix(n.Section, channelPrefix) {
		if row := rows[Name{channelPrefix + ownChannel, n.Name}]; row != nil {
			return row, true
		}
	}
	return &Setting{Name: n, Kind: Text}, false
}

// perHost begins the names of sections with the settings of [cors] for one host.
const perHost = "cors:"

// ofHost tells whether a setting is one of a host, and which one says the same for all hosts.
func ofHost(n Name) (all Name, is bool) {
	host, is := strings.CutPrefix(n.Section, perHost)
	return Name{"cors", n.Name}, is && host != ""
}

// ValueError says that a setting cannot have a value.
type ValueError struct {
	Name
	Value string // empty for a secret
	Want  string
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s = %q is not %s", e.Name, e.Value, e.Want)
}
