package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/config"
)

// configCommand prints the settings of a server that is started in the same way.
func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config [SECTION]",
		Short: "Print the settings in force and where each comes from",
		Long: `config prints the settings of a server that is started with the same flags and
environment, and where each comes from: the command line, the environment, local.ini
in the data folder, the file of --config, or the default. Secrets are shown as ` + config.Mask + `.
It starts nothing, and a server may have the folder open.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("config: want at most one SECTION, got %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opt, err := serveFlags(cmd)
			if err != nil {
				return err
			}
			cfg, err := opt.settings()
			if err != nil {
				return err
			}
			section := ""
			if len(args) == 1 {
				section = args[0]
			}
			list := cfg.Show(section)
			if len(list) == 0 {
				return usagef("config: no settings in a section [%s]", section)
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			last := ""
			for _, one := range list {
				if one.Name.Section != last {
					last = one.Name.Section
					fmt.Fprintf(out, "[%s]\n", last)
				}
				fmt.Fprintf(out, "%s = %s\t; %s\n", one.Name.Name, one.Value, opt.origin(one))
			}
			return out.Flush()
		},
	}
	addServeFlags(cmd)
	return cmd
}

// origin says where a value comes from, with the file's name if it is a file.
func (opt *serveOptions) origin(one config.Shown) string {
	if one.From == config.OfFile {
		return cmp.Or(opt.file, one.From.String())
	}
	return one.From.String()
}
