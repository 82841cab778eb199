package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bareHandles are the functions that open a database with a handle without guard (store.Bare),
// each with its reason (store.Reason says it in full), and the functions that turn one into an
// ordinary handle. Before you add a row, make sure that the function reads and writes nothing
// for a user.
var bareHandles = []string{
	"cmd/tododb/offline.go withDB: Bare ForUpkeep",
	"cmd/tododb/movecommand.go serverRecords: Bare ForMembers",

	"httpapi/access/accounts.go Account: Bare ForAccounts",
	"httpapi/access/accounts.go Rehash: Bare ForAccounts",
	"httpapi/access/devices.go Device: Bare ForTokens",
	"httpapi/access/devices.go List: Bare ForTokens",
	"httpapi/access/devices.go write: Bare ForTokens",
	"httpapi/access/replicationuser.go away: Bare ForAccounts",
	"httpapi/snapshot/files.go forgetGone: Bare ForUpkeep",
	"httpapi/backups/room.go open: Bare ForBackups",
	"httpapi/peruser/peruser.go followUsers: Bare ForUserDatabases",
	"httpapi/peruser/peruser.go makeUserDB: Bare ForUserDatabases",
	"httpapi/access/usersdb.go addUsersDesign: Bare ForSetup",

	"replicate/documents.go over: Bare ForReplications",
	"replicate/documents.go read: Bare ForReplications",
	"replicate/documentstate.go write: Bare ForReplications",
	"replicate/documentwait.go tryDocument: Bare ForReplications",
	"replicate/local.go Everything: Bare ForFolder",
	"replicate/local.go Everything: Unguarded",
	"replicate/schedulerview.go ScheduledDoc: Bare ForReplications",
	"replicate/schedulerview.go ScheduledDocs: Bare ForReplications",
	"replicate/synchronize/records.go with: Bare ForSynchronizations",
	"replicate/synchronize/run.go open: Bare ForSynchronizations",
	"replicate/synchronize/show.go settleConflicts: Bare ForSynchronizations",
	"replicate/synchronize/synchronizer.go instance: Bare ForSynchronizations",
	"replicate/synchronize/synchronizer.go local: Bare ForSynchronizations",

	"store/backup/local.go pipe: Bare ForBackups",
	"store/backup/repository/local.go There: Bare ForBackups",
	"store/design/cache.go now: Bare ForFunctions",
	"store/expiry/keeper.go expire: Bare ForUpkeep",
	"store/members/members.go open: Bare ForMembers",
	"store/index/index.go start: Bare ForIndexes",
	"store/updates/scan.go open: Bare ForUpdates",
	"store/updates/updates.go open: Bare ForUpdates",
	"store/smoosh/look.go open: Bare ForUpkeep",
	"store/smoosh/look.go lookAtIndexes: Unguarded",
	"store/smoosh/look.go usage: Unguarded",
	"store/smoosh/work.go run: Unguarded",
	"store/smoosh/work.go count: Unguarded",
	"store/smoosh/work.go clean: Unguarded",
	"cmd/tododb/upkeep.go upkeep: Unguarded",
}

// everythingIn are the files that may let replications do everything.
var everythingIn = []string{"cmd/tododb/replicate.go", "replicate/local.go"}

// Only the places above have a handle without guard. All other code gets its handles from
// store.Store.Open, which must be told the user, and the types keep the two apart.
func TestLayersBareHandles(t *testing.T) {
	t.Parallel()
	var found []string
	walkSources(t, func(file string, set *token.FileSet, parsed *ast.File) {
		ast.Inspect(parsed, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Everything" && !slices.Contains(everythingIn, file) {
				t.Errorf("%s lets replications do everything", set.Position(s.Pos()))
			}
			return true
		})
		if filepath.Dir(file) != "store" { // package store may look inside a handle
			found = append(found, bareIn(file, parsed)...)
		}
	})
	for _, row := range found {
		if !slices.Contains(bareHandles, row) {
			t.Errorf("%s: a handle without guard that nobody has reviewed", row)
		}
	}
	for _, row := range bareHandles {
		if !slices.Contains(found, row) {
			t.Errorf("%s: is not so any more; take the row out", row)
		}
	}
}

// bareIn lists where a file takes a handle without guard, as rows of bareHandles.
func bareIn(file string, parsed *ast.File) (rows []string) {
	for _, d := range parsed.Decls {
		in := "outside of functions"
		if fn, ok := d.(*ast.FuncDecl); ok {
			in = fn.Name.Name
		}
		called := map[*ast.SelectorExpr]*ast.CallExpr{}
		ast.Inspect(d, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok {
				if s, ok := c.Fun.(*ast.SelectorExpr); ok {
					called[s] = c
				}
			}
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Bare" && s.Sel.Name != "Unguarded" {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "store" && s.Sel.Name == "Bare" {
				return true // the type
			}
			row := fmt.Sprintf("%s %s: %s", file, in, s.Sel.Name)
			if s.Sel.Name == "Bare" {
				row += " " + reasonOf(called[s])
			}
			rows = append(rows, row)
			return true
		})
	}
	return rows
}

func TestLayersBareHandlesCatch(t *testing.T) {
	const source = `package p
var later = st.Bare
func f(s *store.Store, b store.Bare) {
	s.Bare(ctx, "db", store.ForUpkeep)
	x.y.store.Bare(ctx, "db", "because")
	use(b.Unguarded())
}`
	parsed, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"p.go outside of functions: Bare for no reason of package store", "p.go f: Bare ForUpkeep",
		"p.go f: Bare for no reason of package store", "p.go f: Unguarded",
	}
	if got := bareIn("p.go", parsed); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// reasonOf returns the reason in a call of store.Store.Bare, if it is one of package store's.
func reasonOf(c *ast.CallExpr) string {
	if c != nil && len(c.Args) == 3 {
		if s, ok := c.Args[2].(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "store" {
				return s.Sel.Name
			}
		}
	}
	return "for no reason of package store"
}

// walkSources parses every file that is neither a test nor in a package for tests. Names
// begin with the room.
func walkSources(t *testing.T, fn func(file string, set *token.FileSet, parsed *ast.File)) {
	t.Helper()
	const root = "../.."
	files := 0
	for _, room := range rooms {
		err := filepath.WalkDir(filepath.Join(root, room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || forTests(filepath.Dir(path)) {
				return err
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			file, err := filepath.Rel(root, path)
			files++
			fn(filepath.ToSlash(file), set, parsed)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Fatalf("%d files", files)
	}
}
