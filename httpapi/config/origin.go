package config

import (
	"cmp"
	"slices"
)

// Origin is where a value comes from.
type Origin int

// Later ones take precedence over earlier ones. OfMemory is a change that is not kept.
const (
	OfDefault Origin = iota
	OfPreset
	OfFile
	OfLocal
	OfShared
	OfEnvironment
	OfFlag
	OfMemory
)

func (o Origin) String() string {
	return [...]string{"default", "preset", "file", "local.ini", "storage", "environment", "command line", "memory"}[o]
}

// Mask stands for a secret where values are shown.
const Mask = "****"

// Shown is a setting as it may be shown, with secrets masked.
type Shown struct {
	*Setting
	Name  Name // never Any, except from All
	Value string
	From  Origin
	Known bool // the server knows what it means
}

// Given tells whether the API shows the setting. As in CouchDB, a setting that nobody has set
// is not there, even if it has a default.
func (s Shown) Given() bool { return s.From != OfDefault || s.Is(Given) }

// show makes a value showable.
func (s *Setting) show(value string) string {
	if s.Is(Secret) && value != "" {
		return Mask
	}
	return value
}

// Show returns the settings in force in a section, or all if section is "", sorted by section
// and name. It leaves out settings without a value.
func (c *Config) Show(section string) []Shown {
	return slices.DeleteFunc(c.All(), func(one Shown) bool {
		return section != "" && one.Name.Section != section || one.From == OfDefault && one.Default == ""
	})
}

// All returns what Show does for all sections, and the settings without a value. A row for any
// name of a section (Any) is there once, without a value, beside what is set of it.
func (c *Config) All() []Shown {
	var list []Shown
	now := *c.now.Load()
	for n, e := range now {
		row, known := lookup(n)
		list = append(list, Shown{row, n, row.show(e.text), e.from, known})
	}
	for i := range settings {
		row := &settings[i]
		if _, set := now[row.Name]; set {
			continue
		}
		list = append(list, Shown{row, row.Name, row.show(row.Default), OfDefault, true})
	}
	slices.SortFunc(list, func(a, b Shown) int {
		return cmp.Or(cmp.Compare(a.Name.Section, b.Name.Section), cmp.Compare(a.Name.Name, b.Name.Name))
	})
	return list
}

// ShowOne returns one setting as it may be shown; false if it has no value.
func (c *Config) ShowOne(n Name) (Shown, bool) {
	row, known := lookup(n)
	if e, set := (*c.now.Load())[n]; set {
		return Shown{row, n, row.show(e.text), e.from, known}, true
	}
	return Shown{row, n, row.show(row.Default), OfDefault, known}, row.Default != ""
}

// Sections returns the sections in which settings have an effect, in the order of the table.
func Sections() []string { return sections(func(row *Setting) bool { return !row.Is(Inert) }) }

func sections(which func(*Setting) bool) (names []string) {
	for i := range settings {
		if row := &settings[i]; which(row) && !slices.Contains(names, row.Section) {
			names = append(names, row.Section)
		}
	}
	return names
}
