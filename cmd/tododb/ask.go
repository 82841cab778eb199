package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/backups/client"
)

// asking is what the commands have in common that ask a server something.
type asking struct {
	serverFlags
	json bool
	yes  bool

	*client.Server
	out io.Writer
}

var errInterrupted = errors.New("interrupted")

// command makes a command that asks a server.
func (a *asking) command(cmd *cobra.Command, run func(ctx context.Context, args []string) error) *cobra.Command {
	a.addServer(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := fromEnv(cmd, "url", "TODODB_URL")
		if err == nil {
			a.Server, err = a.server()
		}
		if err != nil {
			return err
		}
		a.out = cmd.OutOrStdout()
		err = run(cmd.Context(), args)
		if err != nil && cmd.Context().Err() != nil && !errors.Is(err, errInterrupted) {
			return errInterrupted // and not what that did to a connection
		}
		return a.explained(err)
	}
	return cmd
}

// withJSON gives a command the flag for programs.
func (a *asking) withJSON(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON, for programs")
	return cmd
}

// withYes gives a command the flag that answers its question.
func (a *asking) withYes(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.yes, "yes", false, "do not ask")
	return cmd
}

// get asks for something to read.
func (a *asking) get(ctx context.Context, out any, path ...string) error {
	return a.Ask(ctx, client.Request{Method: "GET", Path: path}, out)
}

// print prints a value as JSON.
func (a *asking) print(value any) error {
	b, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s\n", b)
	return err
}

// table prints rows under a head.
func (a *asking) table(head string, rows [][]any) error {
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(head, " ", "\t"))
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, cell)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// sure asks for the name of what is about to go. Where nobody can answer, --yes must say so.
func (a *asking) sure(what, name string) error {
	if a.yes {
		return nil
	}
	if !isTerminal(os.Stdin) {
		return usagef("say --yes to remove the %s %s: there is no terminal to ask at", what, name)
	}
	fmt.Fprintf(os.Stderr, "This removes the %s %s for good. Type its name to go on: ", what, name)
	typed, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if strings.TrimSpace(typed) != name {
		return errors.New("nothing was removed")
	}
	return nil
}

// errMissing says that what was asked for is not there.
type errMissing struct{ error }

func missingf(format string, args ...any) error { return &errMissing{fmt.Errorf(format, args...)} }

// noDatabase says which databases there are, if the server tells.
func (a *asking) noDatabase(ctx context.Context, name string) error {
	const some = 10
	var names []string
	q := client.Request{Method: "GET", Path: []string{"_all_dbs"}, Query: url.Values{"limit": {fmt.Sprint(some + 1)}, "start_key": {`"a"`}}}
	if err := a.Ask(ctx, q, &names); err != nil || len(names) == 0 {
		return missingf("there is no database %s at %s; tododb db create %s makes it", name, a.Server, name)
	}
	more := ""
	if len(names) > some {
		names, more = names[:some], ", ..."
	}
	return missingf("there is no database %s at %s; tododb db create %s makes it. There are %s%s", name, a.Server, name, strings.Join(names, ", "), more)
}

// completion completes an argument of a command.
type completion = func(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective)

// databaseNames completes the names of databases from the server.
func databaseNames(cmd *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
	return fromServer(cmd, begin, func(ctx context.Context, s *client.Server, q client.Request) (found []string, err error) {
		q.Path = []string{"_all_dbs"}
		return found, s.Ask(ctx, q, &found)
	})
}

// documentIDs completes the ids of documents in the database that is the first argument.
func documentIDs(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
	return fromServer(cmd, begin, func(ctx context.Context, s *client.Server, q client.Request) (found []string, err error) {
		q.Path = []string{args[0], "_all_docs"}
		var answer struct{ Rows []struct{ ID string } }
		err = s.Ask(ctx, q, &answer)
		for _, row := range answer.Rows {
			found = append(found, row.ID)
		}
		return found, err
	})
}

// fromServer completes with what a server has that begins so.
func fromServer(cmd *cobra.Command, begin string, ask func(context.Context, *client.Server, client.Request) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	none := cobra.ShellCompDirectiveNoFileComp
	if fromEnv(cmd, "url", "TODODB_URL") != nil {
		return nil, none
	}
	f := &serverFlags{url: cmd.Flag("url").Value.String()}
	if u, err := url.Parse(f.url); err != nil || u.User != nil && !hasPassword(u) && os.Getenv("COUCHDB_PASSWORD") == "" {
		return nil, none // it would ask for a password
	}
	s, err := f.server()
	if err != nil {
		return nil, none
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	from, err := json.Marshal(begin)
	if err != nil {
		return nil, none
	}
	query := url.Values{"start_key": {string(from)}, "end_key": {strings.TrimSuffix(string(from), `"`) + `\ufff0"`}, "limit": {"100"}}
	found, err := ask(ctx, s, client.Request{Method: "GET", Query: query})
	if err != nil {
		return nil, none
	}
	return found, none
}

func hasPassword(u *url.URL) bool { _, has := u.User.Password(); return has }

// aFile completes the names of files, and noMore nothing.
func aFile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func noMore(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// inOrder completes each argument in its way, and those behind as the last one.
func inOrder(each ...completion) completion {
	return func(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
		return each[min(len(args), len(each)-1)](cmd, args, begin)
	}
}

// wants checks how many arguments a command has. words names them, as in its use line.
func wants(least, most int, words string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usagef("%s: want %s, got %s", cmd.CommandPath(), words, count(len(args), "argument"))
		}
		if slices.Contains(args, "") { // in a path it would name something else
			return usagef("%s: want %s, got one that is empty", cmd.CommandPath(), words)
		}
		return nil
	}
}

// group makes a command that only has commands below it.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(below...)
	return cmd
}
