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
	Inert                      // accepted so that CouchDB's files and set-up programs work; has no effect here
)

// Is tells whether the setting has a trait.
func (s *Setting) Is(t Traits) bool { return s.Traits&t != 0 }

// rows finds a row by its name.
var rows = func() map[Name]*Setting {
	m := make(map[Name]*Setting, len(settings))
	for i := range settings {
		m[settings[i].Name] = &settings[i]
	}
	return m
}()

// lookup finds the row of a name. The error says which names exist.
func lookup(n Name) (*Setting, error) {
	if row := rows[n]; row != nil {
		return row, nil
	}
	if row := rows[Name{n.Section, Any}]; row != nil {
		return row, nil
	}
	var sections, names []string
	for i := range settings {
		row := &settings[i]
		if row.Section == n.Section {
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

// UnknownError says that a setting does not exist.
type UnknownError struct {
	Name
	Have    []string // the names in its section, or the sections if that is unknown
	section bool
}

func (e *UnknownError) Error() string {
	if e.section {
		return fmt.Sprintf("no section [%s]; there are [%s]", e.Section, strings.Join(e.Have, "], ["))
	}
	return fmt.Sprintf("no setting %s; [%s] has %s", e.Name, e.Section, strings.Join(e.Have, ", "))
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
