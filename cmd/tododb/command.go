package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup/repository"
)

// run does what the arguments say and returns when it is done or ctx ends. Output for the
// user goes to out, logs go to standard error.
func run(ctx context.Context, args []string, out io.Writer) error {
	cmd := rootCommand()
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(os.Stderr)
	return cmd.ExecuteContext(ctx)
}

func rootCommand() *cobra.Command {
	serve := serveCommand()
	root := &cobra.Command{
		Use:           "tododb",
		Short:         "A document database that speaks CouchDB's HTTP API",
		Args:          noArgs,
		RunE:          serve.RunE, // plain tododb serves
		SilenceErrors: true,       // main prints the error, once
		SilenceUsage:  true,
	}
	root.Flags().AddFlagSet(serve.Flags())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef("%w; try %s --help", err, cmd.CommandPath()) })
	root.AddCommand(serve, configCommand(), checkCommand(), doctorCommand(), compactCommand(), replicateCommand(), backupCommand(), restoreCommand(), moveCommand(), pgCommand(), versionCommand())
	root.AddCommand(statusCommand(), dbCommand(), userCommand(), tokenCommand(), getCommand(), putCommand(), changesCommand(), importCommand(), exportCommand())
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Args = knownCommand
		}
	}
	return root
}

// knownCommand is for help, which would otherwise answer any word with what it says of tododb.
func knownCommand(cmd *cobra.Command, args []string) error {
	found, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return usagef("%s: no such command; try %s --help", strings.Join(args, " "), found.CommandPath())
	}
	return nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "tododb", version)
			return err
		},
	}
}

// usageError says that the command line is wrong.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s: no such command or argument; try %s --help", args[0], cmd.CommandPath())
	}
	return nil
}

// errDamaged ends a check that found damage. The damage has been printed by then.
var errDamaged = errors.New("damage found")

// exitForced is the exit code of a process that did not end in time after a signal.
const exitForced = 4

// notThere are the errors of other packages that say that what was asked for is not there.
var notThere = []error{store.ErrNoDB, replicate.ErrNoDB, repository.ErrNone, repository.ErrNoBackup, repository.ErrNoDB, repository.ErrNoDoc}

// exitCode returns the exit code for run's error. doc.go lists the codes.
func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errDamaged):
		return 3
	case errors.Is(err, errRefused):
		return 5
	case errors.Is(err, errIll):
		return 8
	}
	if _, is := errors.AsType[*usageError](err); is {
		return 2
	}
	if _, is := errors.AsType[*errMissing](err); is || slices.ContainsFunc(notThere, func(one error) bool { return errors.Is(err, one) }) {
		return 6
	}
	if _, is := errors.AsType[*errUnreachable](err); is {
		return 7
	}
	return 1
}

// fromEnv sets a flag from its environment variable if it was not on the command line.
func fromEnv(cmd *cobra.Command, flag, variable string) error {
	value, ok := os.LookupEnv(variable)
	if !ok || cmd.Flags().Changed(flag) {
		return nil
	}
	if err := cmd.Flags().Set(flag, value); err != nil {
		return usagef("%s: %w", variable, err)
	}
	return nil
}
