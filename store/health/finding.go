package health

import "slices"

// State is how bad something is.
type State string

// The states. A fault harms, or will soon; a warning may.
const (
	OK      State = "ok"
	Warning State = "warning"
	Fault   State = "fault"
	Skipped State = "skipped" // it could not be looked at
)

// Finding is what one look has found.
type Finding struct {
	Check string `json:"check"` // a word that stays the same, for programs
	State State  `json:"state"`
	Says  string `json:"says"`           // a sentence
	Cure  string `json:"cure,omitempty"` // what to do; empty if nothing is wrong
}

// Faulty tells whether one of the findings is a fault.
func Faulty(list []Finding) bool {
	return slices.ContainsFunc(list, func(f Finding) bool { return f.State == Fault })
}
