package wire

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// Whatever package store can answer has a place in the table.
func TestEveryErrorOfTheStoreHasARow(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "../../store/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, name := range spec.Names {
			if strings.HasPrefix(name.Name, "Err") {
				found++
				if !strings.Contains(string(table), "{store."+name.Name+",") {
					t.Errorf("store.%s has no row", name.Name)
				}
			}
		}
		return true
	})
	if found < 10 {
		t.Errorf("only %d errors found", found)
	}
	for kind := document.Syntax; kind <= document.TooMany; kind++ {
		if row, ok := documentErrors[kind]; !ok || row.status < 400 {
			t.Errorf("kind %d of document errors has no row", kind)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		word   string
		reason string
		known  bool
	}{
		{fmt.Errorf("get %q: %w", "x", store.ErrDeleted), 404, "not_found", "deleted", true},
		{fmt.Errorf("read: %w", BadRequest("no %d", 1)), 400, "bad_request", "no 1", true},
		{fmt.Errorf("x: %w", &document.Error{Kind: document.TooLarge, Reason: "a"}), 413, "document_too_large", "a", true},
		{errors.New("secret detail"), 500, "internal_server_error", unforeseen, false},
	} {
		status, word, reason, known := AnswerOf(c.err)
		if status != c.status || word != c.word || reason != c.reason || known != c.known {
			t.Errorf("%v: %d %s %q %v", c.err, status, word, reason, known)
		}
	}
}
