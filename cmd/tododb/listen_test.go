package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/config"
)

// A server that cannot start because of a setting says which one.
func TestStartNamesTheSetting(t *testing.T) {
	if l, err := listenTCP(t.Context(), "no host:0", "[ssl] port"); err == nil || !strings.Contains(err.Error(), "[ssl] port, or bind_address") {
		t.Errorf("%v, %v", l, err)
	}
	cfg, err := config.Open(config.Options{Flags: map[config.Name]string{
		{Section: "replicator", Name: "ssl_trusted_certificates_file"}: filepath.Join(t.TempDir(), "none"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replicatorTLS(cfg); err == nil || !strings.Contains(err.Error(), "[replicator] ssl_trusted_certificates_file") {
		t.Error(err)
	}
}
