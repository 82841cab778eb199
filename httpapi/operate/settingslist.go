package operate

import (
	"encoding/json"
	"net/http"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
)

// Settings answers GET _settings: every setting that the server knows or that somebody has set,
// with its value, where that comes from, and what it means.
func (o *Room) Settings(w http.ResponseWriter, r *http.Request) error {
	type setting struct {
		Section string   `json:"section"`
		Name    string   `json:"name"` // "*": any name
		Value   string   `json:"value"`
		Default string   `json:"default"`
		From    string   `json:"from"`
		Known   bool     `json:"known"`
		Want    string   `json:"want,omitempty"`
		Words   []string `json:"words,omitempty"` // all values that it can have, if they are few
		Traits  []string `json:"traits"`
		Meaning string   `json:"meaning,omitempty"`
	}
	list := []setting{}
	for _, one := range o.config.All() {
		s := setting{Section: one.Name.Section, Name: one.Name.Name, Value: one.Value, From: one.From.String(), Known: one.Known, Traits: one.Traits.Words()}
		if one.Known {
			s.Default, s.Want, s.Words, s.Meaning = one.Default, one.Kind.String(), one.Kind.Words(), one.Meaning
		}
		if isBlacklisted(s.Section) {
			s.Traits = append(s.Traits, config.Filed.Words()...)
		}
		list = append(list, s)
	}
	b, err := json.Marshal(map[string]any{"settings": list})
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, b)
}
