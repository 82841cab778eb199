package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/cmd/tododb/transfer"
	"github.com/tododb/tododb/store"
)

// exportRequest is what the command line asks for.
type exportRequest struct {
	asking
	transfer.Export
}

func exportCommand() *cobra.Command {
	var q exportRequest
	cmd := &cobra.Command{
		Use: "export DATABASE [FILE]", Short: "Write the documents of a database to a file", Args: wants(1, 2, "a DATABASE and perhaps a FILE"), ValidArgsFunction: inOrder(databaseNames, aFile, noMore),
		Long: `export writes the documents of a database to a file, or to standard output, in the order of their
ids. It is compressed if the name ends in .gz or .zst, and has its name once it is whole.

These are the documents as they are: no history, no conflicts, no deleted documents. tododb backup
keeps all that.`,
	}
	cmd.Flags().StringVar(&q.Format, "format", "", "form of the file: "+strings.Join(transfer.Formats, ", ")+"; as its name says, or ndjson")
	completes(cmd, "format", transfer.Formats...)
	cmd.Flags().BoolVar(&q.Attachments, "attachments", false, "with the content of attachments, in base64; otherwise they are only named")
	cmd.Flags().BoolVar(&q.NoRevisions, "without-revisions", false, "without _rev, for files that are compared or imported elsewhere as new documents")
	cmd.Flags().BoolVar(&q.NoDesign, "without-design", false, "without design documents")
	cmd.Flags().StringSliceVar(&q.Columns, "columns", nil, "of a table: these members, with commas between; otherwise all that any document has")
	return q.command(cmd, func(ctx context.Context, args []string) error {
		q.Database, q.Export.Server = args[0], q.asking.Server
		name := transfer.Stdio
		if len(args) == 2 {
			name = args[1]
		}
		if err := transfer.CheckFormat(q.Format); err != nil {
			return usagef("--format: %w", err)
		}
		if q.Format == "" {
			q.Format = transfer.FormatOf(name)
		}
		if q.Attachments && transfer.IsTable(q.Format) {
			return usagef("--attachments: a table has no place for them")
		}
		return q.run(ctx, name)
	})
}

func (q *exportRequest) run(ctx context.Context, name string) error {
	out, err := transfer.CreateOutput(name, q.out)
	if err != nil {
		return err
	}
	bar := newAmount(-1, q.Database)
	defer bar.close()
	counted := &countedWriter{Writer: out}
	q.Progress = func(int64) { bar.set(counted.n) }
	n, err := q.Export.Run(ctx, counted)
	bar.close()
	if errors.Is(err, store.ErrNoDB) {
		err = q.noDatabase(ctx, q.Database)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errInterrupted // and not what that did to a connection
		}
		return errors.Join(q.cut(err, n, name), out.Drop())
	}
	if err := out.Finish(); err != nil {
		return err
	}
	if name != transfer.Stdio {
		_, err = fmt.Fprintf(os.Stderr, "%s: %s\n", name, count(int(n), "document"))
	}
	return err
}

// cut says what there is of an export that ended early.
func (q *exportRequest) cut(err error, n int64, name string) error {
	written := count(int(n), "document")
	switch {
	case name != transfer.Stdio:
		return fmt.Errorf("%w: %s is not written, after %s", err, name, written)
	case n > 0:
		return fmt.Errorf("%w: what was printed is not the whole: %s", err, written)
	}
	return err
}

type countedWriter struct {
	io.Writer
	n int64
}

func (w *countedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.n += int64(n)
	return n, err
}
