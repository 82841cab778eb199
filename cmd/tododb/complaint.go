package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tododb/tododb/httpapi/backups/client"
)

// complaints are the words for programs that stand for exit codes.
var complaints = map[int]string{1: "failed", 2: "usage", 3: "damage", 5: "refused", 6: "not_found", 7: "unreachable", 8: "ill"}

// complain says why a command failed: for people, or for programs as one line of JSON.
func complain(out io.Writer, err error, forPrograms bool) {
	if !forPrograms {
		fmt.Fprintln(out, "tododb:", err)
		return
	}
	code := exitCode(err)
	word := complaints[code]
	if refused, is := errors.AsType[*client.Refused](err); is && code == 1 && refused.Word != "" {
		word = refused.Word // the server's
	}
	line, failed := json.Marshal(struct {
		Error    string `json:"error"`
		Reason   string `json:"reason"`
		ExitCode int    `json:"exit_code"`
	}{word, err.Error(), code})
	if failed != nil {
		line = []byte(failed.Error())
	}
	fmt.Fprintf(out, "%s\n", line)
}

// wantsJSON tells whether a command line asks for JSON. It may be one that cannot be parsed.
func wantsJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}
