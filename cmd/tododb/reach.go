package main

import (
	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/backups/client"
)

// serverFlags say which running server a command talks to.
type serverFlags struct{ url string }

const serverDefault = "http://127.0.0.1:5984"

func (f *serverFlags) addServer(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "url", serverDefault,
		"the server, with an administrator: http://NAME:PASSWORD@HOST:PORT, or unix://NAME:PASSWORD@/PATH for its socket [TODODB_URL]")
}

func (f *serverFlags) server() (*client.Server, error) {
	s, err := client.New(f.url, nil)
	if err != nil {
		return nil, usagef("--url: %w", err)
	}
	return s, nil
}
