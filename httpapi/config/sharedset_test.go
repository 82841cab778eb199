package config_test

import (
	"path/filepath"
	"testing"

	"github.com/tododb/tododb/httpapi/config"
)

// What a process has set for itself, without keeping it, ends with the next value that is kept: also if the
// processes have that value in common already.
func TestSharedSettingThatWasOverridden(t *testing.T) {
	name := config.Name{Section: "couchdb", Name: "max_document_size"}
	for what, set := range map[string]func(*config.Config) error{
		"Put":    func(c *config.Config) error { _, err := c.Put(name, "777", true); return err },
		"PutAll": func(c *config.Config) error { return c.PutAll(map[config.Name]string{name: "777"}) },
		"Swap": func(c *config.Config) error {
			_, err := c.Swap(name.Section, name.Name, "5", "777")
			return err
		},
	} {
		c, err := config.Open(config.Options{Local: filepath.Join(t.TempDir(), "local.ini")})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Share(&common{values: map[config.Name]string{name: "777"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Put(name, "5", false); err != nil {
			t.Fatal(err)
		}
		if err := set(c); err != nil {
			t.Fatal(err)
		}
		if got := c.Int(name.Section, name.Name); got != 777 {
			t.Errorf("%s: %d is in force", what, got)
		}
	}
}
