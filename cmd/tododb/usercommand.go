package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store/jsonscan"
)

func userCommand() *cobra.Command {
	return group("user", "List, add and remove users of a server, and set their passwords",
		userListCommand(), userAddCommand(), userPasswordCommand(), userRemoveCommand())
}

// statusOf is the status of an answer that was refused, 0 of any other error.
func statusOf(err error) int {
	if refused, is := errors.AsType[*client.Refused](err); is {
		return refused.Status
	}
	return 0
}

// usersDB is the database whose documents are the users.
func (a *asking) usersDB(ctx context.Context) (string, error) {
	var session struct {
		Info struct {
			DB string `json:"authentication_db"`
		}
	}
	err := a.get(ctx, &session, "_session")
	return cmp.Or(session.Info.DB, "_users"), err
}

// userPath is the path of a user's document.
func (a *asking) userPath(ctx context.Context, name string) ([]string, error) {
	db, err := a.usersDB(ctx)
	return []string{db, auth.UserPrefix + name}, err
}

// administratorNames are those who are set in the server's settings.
func (a *asking) administratorNames(ctx context.Context) ([]string, error) {
	set := map[string]string{}
	if err := a.get(ctx, &set, "_node", "_local", "_config", "admins"); err != nil && statusOf(err) != http.StatusNotFound {
		return nil, err
	}
	var names []string
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

type userRow struct {
	Name          string   `json:"name"`
	Roles         []string `json:"roles"`
	Administrator bool     `json:"administrator,omitempty"`
}

func userListCommand() *cobra.Command {
	var a asking
	cmd := &cobra.Command{Use: "ls", Short: "List users and administrators", Args: noArgs}
	return a.withJSON(a.command(cmd, func(ctx context.Context, _ []string) error {
		names, err := a.administratorNames(ctx)
		if err != nil {
			return err
		}
		found := []userRow{}
		for _, name := range names {
			found = append(found, userRow{name, []string{"_admin"}, true})
		}
		if err := a.eachUser(ctx, func(u userRow) { found = append(found, u) }); err != nil {
			return err
		}
		if a.json {
			return a.print(found)
		}
		var rows [][]any
		for _, u := range found {
			rows = append(rows, []any{u.Name, strings.Join(u.Roles, ",")})
		}
		return a.table("NAME ROLES", rows)
	}))
}

// eachUser reads _users in pages.
func (a *asking) eachUser(ctx context.Context, fn func(userRow)) error {
	const page = 1000
	db, err := a.usersDB(ctx)
	if err != nil {
		return err
	}
	for from, last := auth.UserPrefix, ""; ; from = last {
		key, err := json.Marshal(from)
		if err != nil {
			return err
		}
		q := url.Values{"include_docs": {"true"}, "start_key": {string(key)}, "end_key": {`"org.couchdb.user;"`}, "limit": {strconv.Itoa(page)}}
		var answer struct {
			Rows []struct {
				ID  string
				Doc userRow
			}
		}
		if err := a.Ask(ctx, client.Request{Method: "GET", Path: []string{db, "_all_docs"}, Query: q}, &answer); err != nil {
			return err
		}
		for _, row := range answer.Rows {
			if row.ID == last { // the next page begins with it, unless it is gone
				continue
			}
			row.Doc.Name = strings.TrimPrefix(row.ID, auth.UserPrefix)
			fn(row.Doc)
		}
		if len(answer.Rows) < page {
			return nil
		}
		last = answer.Rows[page-1].ID
	}
}

// newPassword says where a new password comes from.
type newPassword struct {
	file string
	made bool // and is to be shown
}

func (p *newPassword) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.file, "password-file", "", "file whose first line is the password; - is standard input")
}

const passwordHelp = `

The password is asked for on a terminal. Without one it is made up and printed, unless
--password-file names a file that has it.`

func (p *newPassword) read(name string) (string, error) {
	switch {
	case p.file != "":
		in := io.Reader(os.Stdin)
		if p.file != "-" {
			f, err := os.Open(p.file)
			if err != nil {
				return "", fmt.Errorf("--password-file: %w", err)
			}
			defer f.Close()
			in = f
		}
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("--password-file: %w", err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", usagef("--password-file: the first line is empty")
		}
		return line, nil
	case !term.IsTerminal(int(os.Stdin.Fd())):
		p.made = true
		return rand.Text(), nil
	}
	first, err := askPassword("new password of " + name + ": ")
	if err != nil {
		return "", err
	}
	second, err := askPassword("once more: ")
	if err == nil && first != second {
		err = errors.New("the two are not the same; nothing was changed")
	}
	return first, err
}

// told says what was done, and behind the word the password if it was made up.
func (p *newPassword) told(out io.Writer, what, word, password string) error {
	if p.made {
		what += " " + word + " " + password + ", which is not shown again"
	}
	_, err := fmt.Fprintln(out, what)
	return err
}

func userAddCommand() *cobra.Command {
	var a asking
	var p newPassword
	var roles []string
	var admin bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a user", Args: wants(1, 1, "one NAME"),
		Long: `add adds a user, who may use what databases name as a member or an administrator (tododb db create
--member NAME).` + passwordHelp,
	}
	p.add(cmd)
	cmd.Flags().StringArrayVar(&roles, "role", nil, "role of the user; may be repeated")
	cmd.Flags().BoolVar(&admin, "admin", false, "an administrator of the server, who may do everything")
	return a.command(cmd, func(ctx context.Context, args []string) error {
		name := args[0]
		if admin && len(roles) > 0 {
			return usagef("--admin: administrators have no other roles")
		}
		admins, err := a.administratorNames(ctx)
		if err != nil {
			return err
		}
		path, err := a.userPath(ctx, name)
		if err != nil {
			return err
		}
		there := slices.Contains(admins, name)
		if !there {
			err := a.get(ctx, nil, path...)
			if there = err == nil; err != nil && statusOf(err) != http.StatusNotFound {
				return err
			}
		}
		if there {
			return fmt.Errorf("there is a user %s already; tododb user passwd %s sets another password", name, name)
		}
		password, err := p.read(name)
		if err != nil {
			return err
		}
		what := "added the user " + name
		if admin {
			what = "added the administrator " + name
			err = a.setAdministrator(ctx, name, password)
		} else {
			doc := map[string]any{"type": "user", "name": name, "roles": append([]string{}, roles...), "password": password}
			err = a.Ask(ctx, client.Request{Method: "PUT", Path: path, JSON: doc}, nil)
		}
		if err != nil {
			return err
		}
		return p.told(a.out, what, "with the password", password)
	})
}

func (a *asking) setAdministrator(ctx context.Context, name, password string) error {
	return a.Ask(ctx, client.Request{Method: "PUT", Path: []string{"_node", "_local", "_config", "admins", name}, JSON: password}, nil)
}

// user reads a user's document, which may be missing.
func (a *asking) user(ctx context.Context, path []string) (doc json.RawMessage, rev string, err error) {
	err = a.get(ctx, &doc, path...)
	if statusOf(err) == http.StatusNotFound {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	var special struct {
		Rev string `json:"_rev"`
	}
	return doc, special.Rev, errors.Join(json.Unmarshal(doc, &special), err)
}

func noUser(name string) error {
	return missingf("there is no user %s; tododb user ls lists them", name)
}

// mustBeAdministrator fails if nobody of that name is an administrator: then there is no such user.
func (a *asking) mustBeAdministrator(ctx context.Context, name string) error {
	admins, err := a.administratorNames(ctx)
	if err == nil && !slices.Contains(admins, name) {
		return noUser(name)
	}
	return err
}

func userPasswordCommand() *cobra.Command {
	var a asking
	var p newPassword
	cmd := &cobra.Command{
		Use: "passwd NAME", Short: "Set a user's password", Args: wants(1, 1, "one NAME"),
		Long: "passwd sets another password, of a user or of an administrator. It ends the user's sessions." + passwordHelp,
	}
	p.add(cmd)
	return a.command(cmd, func(ctx context.Context, args []string) error {
		name := args[0]
		path, err := a.userPath(ctx, name)
		if err != nil {
			return err
		}
		doc, _, err := a.user(ctx, path)
		if err != nil {
			return err
		}
		if doc == nil {
			if err := a.mustBeAdministrator(ctx, name); err != nil {
				return err
			}
		}
		password, err := p.read(name)
		if err != nil {
			return err
		}
		if doc == nil {
			err = a.setAdministrator(ctx, name, password)
		} else {
			// The rest of the document stays as it is, to the letter.
			doc = append(append([]byte{'{'}, jsonscan.AppendString([]byte(`"password":`), password)...), append([]byte{','}, doc[1:]...)...)
			err = a.Ask(ctx, client.Request{Method: "PUT", Path: path, Body: bytes.NewReader(doc)}, nil)
		}
		if err != nil {
			return err
		}
		return p.told(a.out, "set the password of "+name, "to", password)
	})
}

func userRemoveCommand() *cobra.Command {
	var a asking
	cmd := &cobra.Command{Use: "rm NAME", Short: "Remove a user or an administrator", Args: wants(1, 1, "one NAME")}
	return a.withYes(a.command(cmd, func(ctx context.Context, args []string) error {
		name := args[0]
		path, err := a.userPath(ctx, name)
		if err != nil {
			return err
		}
		doc, rev, err := a.user(ctx, path)
		if err != nil {
			return err
		}
		q := client.Request{Method: "DELETE", Path: path, Query: url.Values{"rev": {rev}}}
		if doc == nil {
			if err := a.mustBeAdministrator(ctx, name); err != nil {
				return err
			}
			q = client.Request{Method: "DELETE", Path: []string{"_node", "_local", "_config", "admins", name}}
		}
		if err := a.sure("user", name); err != nil {
			return err
		}
		if err := a.Ask(ctx, q, nil); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "removed %s\n", name)
		return err
	}))
}
