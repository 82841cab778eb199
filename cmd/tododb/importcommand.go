package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/tododb/tododb/cmd/tododb/transfer"
	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store"
)

// errRefused ends an import of which some documents are not there. They have been named by then.
var errRefused = errors.New("not everything was imported")

// importRequest is what the command line asks for.
type importRequest struct {
	asking
	transfer.ReadOptions
	create                              bool
	update, newRevisions, noAttachments bool
}

func importCommand() *cobra.Command {
	var q importRequest
	cmd := &cobra.Command{
		Use: "import DATABASE [FILE...]", Short: "Write the documents of files into a database", Args: wants(1, -1, "a DATABASE and perhaps FILES"), ValidArgsFunction: inOrder(databaseNames, aFile),
		Long: `import writes the documents of files, or of standard input, into a database. A file may have

  one JSON document a line (NDJSON), or one after the other
  a JSON array of documents
  a table (CSV, TSV), whose first line names the members
  what _all_docs, _changes or _find answer with include_docs=true
  a copy by couchbackup, or by pouchdb-dump

and may be compressed by gzip or zstd. It may be longer than memory.

An import can be run again, after it was cut or with a longer file: what is there already, with the same
content, stays as it is. A document with a _rev is written as that revision, as a replication does. One
without _id gets an id that follows from its content and place in the file.

What cannot be imported is named, with its line. Everything else is then there, and the exit code is 5.`,
	}
	cmd.Flags().StringVar(&q.Format, "format", "", "form of the files: "+strings.Join(transfer.Formats, ", ")+"; as their names say, or their first bytes, if it is not given")
	completes(cmd, "format", transfer.Formats...)
	cmd.Flags().BoolVar(&q.create, "create", false, "make the database if it is not there")
	cmd.Flags().BoolVar(&q.update, "update", false, "replace documents that are there with other content")
	cmd.Flags().BoolVar(&q.newRevisions, "new-revisions", false, "ignore the revisions in the file: every document is a new edit")
	cmd.Flags().BoolVar(&q.noAttachments, "without-attachments", false, "leave attachments out")
	cmd.Flags().BoolVar(&q.Text, "text", false, "of a table: every cell is text, also one that looks like a number")
	return q.command(cmd, func(ctx context.Context, args []string) error {
		if err := transfer.CheckFormat(q.Format); err != nil {
			return usagef("--format: %w", err)
		}
		if len(args) == 1 {
			args = append(args, transfer.Stdio)
		}
		return q.run(ctx, args[0], args[1:])
	})
}

func (q *importRequest) run(ctx context.Context, database string, files []string) error {
	err := q.get(ctx, nil, database)
	if errors.Is(err, store.ErrNoDB) && q.create {
		err = q.Ask(ctx, client.Request{Method: "PUT", Path: []string{database}}, nil)
	}
	if errors.Is(err, store.ErrNoDB) {
		return missingf("there is no database %s at %s; --create makes it", database, q.Server)
	}
	if err != nil {
		return err
	}
	for _, name := range files { // before anything is written
		if _, err := os.Stat(name); err != nil && name != transfer.Stdio {
			return err
		}
	}
	var all transfer.Counts
	began := time.Now()
	for _, name := range files {
		counts, err := q.file(ctx, database, name)
		all.Written += counts.Written
		all.Unchanged += counts.Unchanged
		all.Failed += counts.Failed
		if err != nil {
			fmt.Fprintf(q.out, "%s: %s\n", name, told(all))
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if _, err := fmt.Fprintf(q.out, "%s, in %v\n", told(all), time.Since(began).Round(time.Millisecond)); err != nil {
		return err
	}
	if all.Failed > 0 {
		return errRefused
	}
	return nil
}

func told(c transfer.Counts) string {
	return fmt.Sprintf("%s written, %s there already, %s refused", count(int(c.Written), "document"), humanize.Comma(c.Unchanged), humanize.Comma(c.Failed))
}

// file imports one file.
func (q *importRequest) file(ctx context.Context, database, name string) (none transfer.Counts, err error) {
	in, err := transfer.OpenInput(name, os.Stdin)
	if err != nil {
		return none, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	opt := q.ReadOptions
	if format := transfer.FormatOf(name); opt.Format == "" && transfer.IsTable(format) {
		opt.Format = format
	}
	bar := newAmount(in.Size, name)
	defer bar.close()
	r, err := transfer.NewReader(in, opt)
	if err != nil {
		return none, err
	}
	im := transfer.Import{
		Server: q.Server, Database: database, Update: q.update, DropRevisions: q.newRevisions, DropAttachments: q.noAttachments,
		Failed: func(at string, err error) {
			bar.clear()
			fmt.Fprintf(os.Stderr, "%s, %s: %v\n", name, at, err)
		},
		Progress: func(transfer.Counts) { bar.set(in.Done()) },
	}
	counts, err := im.Run(ctx, r)
	if err != nil {
		if ctx.Err() != nil {
			err = errInterrupted // and not what that did to a connection
		}
		err = fmt.Errorf("%w. The import can be run again: what is there stays as it is", explained(q.Server, err))
	}
	return counts, err
}

// amount shows on a terminal how many bytes have been read, or written, and nothing elsewhere.
type amount struct{ bar *progressbar.ProgressBar }

// newAmount begins a bar. of is how many there will be; -1: nobody knows.
func newAmount(of int64, what string) *amount {
	if !isTerminal(os.Stderr) {
		return &amount{}
	}
	return &amount{progressbar.NewOptions64(of, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowBytes(true), progressbar.OptionSetDescription(what),
		progressbar.OptionThrottle(pollProgress), progressbar.OptionClearOnFinish(), progressbar.OptionSpinnerType(14))}
}

func (a *amount) set(n int64) {
	if a.bar != nil {
		a.bar.Set64(n)
	}
}

func (a *amount) clear() {
	if a.bar != nil {
		a.bar.Clear()
	}
}

func (a *amount) close() {
	if a.bar != nil {
		a.bar.Finish()
		a.bar = nil
	}
}
