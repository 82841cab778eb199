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
	OfFile
	OfLocal
	OfEnvironment
	OfFlag
	OfMemory
)

func (o Origin) String() string {
	return [...]string{"default", "file", "local.ini", "environment", "command line", "memory"}[o]
}

// Mask stands for a secret where values are shown.
const Mask = "****"

// Shown is a setting as it may be shown, with secrets masked.
type Shown struct {
	*Setting
	Name  Name // never Any
	Value string
	From  Origin
}

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
	var list []Shown
	now := *c.now.Load()
	for n, e := range now {
		if section != "" && n.Section != section {
			continue
		}
		if row, err := lookup(n); err == nil {
			list = append(list, Shown{row, n, row.show(e.text), e.from})
		}
	}
	for i := range settings {
		row := &settings[i]
		if _, set := now[row.Name]; set || row.Default == "" || section != "" && row.Section != section {
			continue
		}
		list = append(list, Shown{row, row.Name, row.show(row.Default), OfDefault})
	}
	slices.SortFunc(list, func(a, b Shown) int {
		return cmp.Or(cmp.Compare(a.Name.Section, b.Name.Section), cmp.Compare(a.Name.Name, b.Name.Name))
	})
	return list
}

// ShowOne returns one setting as it may be shown; false if it has no value.
func (c *Config) ShowOne(n Name) (Shown, bool) {
	row, err := lookup(n)
	if err != nil || n.Name == Any {
		return Shown{}, false
	}
	if e, set := (*c.now.Load())[n]; set {
		return Shown{row, n, row.show(e.text), e.from}, true
	}
	return Shown{row, n, row.show(row.Default), OfDefault}, row.Default != ""
}
