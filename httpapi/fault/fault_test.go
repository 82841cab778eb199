package fault

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/members"
	"github.com/tododb/tododb/store/script"
)

// Whatever package store can answer has a place in the table.
func TestEveryErrorOfTheStoreHasARow(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "../../store/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("fault.go")
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
	for kind := document.Syntax; kind <= document.IllegalPartition; kind++ {
		if row, ok := documentErrors[kind]; !ok || row.status < 400 {
			t.Errorf("kind %d of document errors has no row", kind)
		}
	}
}

func TestOf(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		word   string
		reason string
	}{
		{fmt.Errorf("get %q: %w", "x", store.ErrDeleted), 404, "not_found", "deleted"},
		{fmt.Errorf("read: %w", wire.BadRequest("no %d", 1)), 400, "bad_request", "no 1"},
		{fmt.Errorf("x: %w", &document.Error{Kind: document.TooLarge, Reason: "a"}), 413, "document_too_large", "a"},
		{&design.Refusal{Err: &design.ShapeError{Reason: "a"}}, 400, "invalid_design_doc", "a"},
		{&design.Refusal{Err: design.ErrNoFunction}, 404, "not_found", "missing function"},
		{&design.Refusal{Err: &script.Error{Kind: script.Compilation, Reason: "a"}}, 400, "compilation_error", "a"},
		{replicate.ErrCancelled, 409, "cancelled", "The replication was cancelled."},
		{replicate.ErrUnauthorized, 401, "unauthorized", "The account that this replication runs for is not there any more, or has another password."},
		{&replicate.PeerError{Peer: "db", Err: replicate.ErrUnauthorized}, 401, "unauthorized", "unauthorized to access or create database db"},
		{replicate.ErrForbidden, 403, "forbidden", "The account that this replication runs for has lost the right to it."},
		{errors.New("secret detail"), 500, "internal_server_error", wire.Unforeseen.Reason},
	} {
		if f := Of(c.err); f.Status != c.status || f.Word != c.word || f.Reason != c.reason {
			t.Errorf("%v: %d %s %q", c.err, f.Status, f.Word, f.Reason)
		}
	}
}

func TestOfWhenToTryAgain(t *testing.T) {
	for _, err := range []error{auth.ErrBusy, intake.ErrBusy, store.ErrUploadsBusy, store.ErrUnavailable, store.ErrUnknown, members.ErrAway, members.ErrLost,
		index.ErrRenewed, fmt.Errorf("read: %w", context.DeadlineExceeded), &replicate.PeerError{Peer: "db", Err: fmt.Errorf("read: %w", store.ErrUnavailable)}} {
		if f := Of(err); f.Status != 503 || f.RetryAfter != "5" {
			t.Errorf("%v: %d, Retry-After %q", err, f.Status, f.RetryAfter)
		}
	}
}
