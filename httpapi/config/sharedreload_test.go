package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tododb/tododb/httpapi/config"
)

// A reload that fails takes nothing in, so what it has read of the other processes is still news when it is heard.
func TestReloadThatFailsHidesNoNews(t *testing.T) {
	storage := &common{}
	a := sharing(t, storage)
	file := filepath.Join(t.TempDir(), "tododb.ini")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	b, err := config.Open(config.Options{File: file})
	if err == nil {
		err = b.Share(storage)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Set("couchdb", "max_document_size", "777"); err != nil {
		t.Fatal(err)
	}
	write("[couchdb]\nmax_document_size = many\n")
	if err := b.Reload(); err == nil {
		t.Fatal("the mistake in the file is not noticed")
	}
	if got := b.Int("couchdb", "max_document_size"); got != 8000000 {
		t.Errorf("after a reload that failed it is %d", got)
	}
	now, _ := storage.Read()
	b.Heard(now)
	if got := b.Int("couchdb", "max_document_size"); got != 777 {
		t.Errorf("after the other's change was heard of it is %d", got)
	}
}
