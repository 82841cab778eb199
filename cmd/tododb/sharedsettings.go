package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/members"
)

// settingsID is the local document of store.ServerDB that has the settings of all processes.
const settingsID = "_local/settings"

// settingsWithin is how long a change of the settings waits for the storage.
const settingsWithin = 15 * time.Second

// sharedSettings keeps the settings of all processes in the storage: config.Shared.
type sharedSettings struct {
	ctx     context.Context
	records store.Bare
}

// settingsForm is what is stored: values by section and name.
type settingsForm struct {
	Version  uint64                       `json:"version"`
	Settings map[string]map[string]string `json:"settings"`
}

func parseSettings(body []byte) (config.Common, error) {
	c := config.Common{Values: map[config.Name]string{}}
	if body == nil {
		return c, nil
	}
	var f settingsForm
	if err := json.Unmarshal(body, &f); err != nil {
		return c, err
	}
	c.Version = f.Version
	for section, values := range f.Settings {
		for name, value := range values {
			c.Values[config.Name{Section: section, Name: name}] = value
		}
	}
	return c, nil
}

func settingsBody(c config.Common) ([]byte, error) {
	f := settingsForm{Version: c.Version, Settings: map[string]map[string]string{}}
	for n, value := range c.Values {
		if f.Settings[n.Section] == nil {
			f.Settings[n.Section] = map[string]string{}
		}
		f.Settings[n.Section][n.Name] = value
	}
	return json.Marshal(f)
}

// Read is config.Shared's.
func (s *sharedSettings) Read() (config.Common, error) {
	ctx, cancel := context.WithTimeout(s.ctx, settingsWithin)
	defer cancel()
	doc, err := s.records.GetLocal(ctx, settingsID)
	if errors.Is(err, store.ErrMissing) {
		return parseSettings(nil)
	}
	if err != nil {
		return config.Common{}, err
	}
	return parseSettings(doc.Body)
}

// errUnchanged ends a transaction that changes nothing.
var errUnchanged = errors.New("nothing is to be changed")

// Change is config.Shared's.
func (s *sharedSettings) Change(fn func(all map[config.Name]string) bool) (c config.Common, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, settingsWithin)
	defer cancel()
	err = s.records.UpdateLocal(ctx, settingsID, func(old []byte) ([]byte, error) {
		var err error
		if c, err = parseSettings(old); err != nil {
			return nil, err
		}
		before := maps.Clone(c.Values)
		if !fn(c.Values) {
			c.Values = before
			return nil, errUnchanged
		}
		c.Version++
		return settingsBody(c)
	})
	if errors.Is(err, errUnchanged) {
		err = nil
	}
	return c, err
}

// follow has cfg hear of what other processes change.
func (s *sharedSettings) follow(cfg *config.Config, m *members.Members, failed func(error)) {
	m.Follow(settingsID, func(body []byte) {
		common, err := parseSettings(body)
		if err != nil {
			failed(err)
			return
		}
		cfg.Heard(common)
	})
}
