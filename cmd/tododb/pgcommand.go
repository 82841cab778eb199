package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/store/engine/pg"
)

// pgCommand is about a PostgreSQL server in which several tododb processes keep their databases.
func pgCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pg",
		Short: "Prepare a PostgreSQL server for tododb",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(pgInitCommand())
	return cmd
}

func pgInitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the tables in PostgreSQL, or bring them up to date",
		Long: `init makes the tables that tododb keeps databases in, or brings those of an earlier release up to date.
Where they are right it changes nothing. All processes that use them must know the new form: stop those
of an earlier release first.

--storage is the URL of the database in PostgreSQL, with a role that may make tables. The environment variable
TODODB_STORAGE stands for it, and keeps the password out of the list of processes. tododb itself then needs a
role that may read and write the tables, no more.

With --print it connects to nothing and prints the statements, for who runs them by hand on an empty schema.`,
		Args: noArgs,
	}
	storage := cmd.Flags().String("storage", "", "URL of the database, as postgres://USER@HOST/NAME")
	printed := cmd.Flags().Bool("print", false, "print the statements instead of running them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *printed {
			_, err := fmt.Fprint(cmd.OutOrStdout(), pg.DDL())
			return err
		}
		if err := fromEnv(cmd, "storage", "TODODB_STORAGE"); err != nil {
			return err
		}
		if *storage == "" {
			return usagef("pg init: --storage, or TODODB_STORAGE, has to say where PostgreSQL is")
		}
		if err := pg.Init(cmd.Context(), *storage); err != nil {
			return err
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "the tables are there")
		return err
	}
	return cmd
}
