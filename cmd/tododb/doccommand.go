package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

func getCommand() *cobra.Command {
	var a asking
	var rev, attachment string
	var attachments, conflicts bool
	cmd := &cobra.Command{
		Use: "get DATABASE ID", Short: "Print a document", Args: wants(2, 2, "a DATABASE and an ID"), ValidArgsFunction: inOrder(databaseNames, documentIDs, noMore),
		Long: `get prints a document as the server has it, to the letter. With --attachment it prints one of
its attachments.`,
	}
	cmd.Flags().StringVar(&rev, "rev", "", "this revision, and not the winner")
	cmd.Flags().StringVar(&attachment, "attachment", "", "this attachment, and not the document")
	cmd.Flags().BoolVar(&attachments, "attachments", false, "with its attachments in it, in base64")
	cmd.Flags().BoolVar(&conflicts, "conflicts", false, "with the revisions that are in conflict with it")
	return a.command(cmd, func(ctx context.Context, args []string) error {
		q := client.Request{Method: "GET", Path: args, Query: url.Values{}}
		if q.Accept = "application/json"; attachment != "" {
			q.Path, q.Accept = append(args, attachment), ""
		}
		if rev != "" {
			q.Query.Set("rev", rev)
		}
		for name, on := range map[string]bool{"attachments": attachments, "conflicts": conflicts} {
			if on {
				q.Query.Set(name, "true")
			}
		}
		answer, err := a.Open(ctx, q)
		if err != nil {
			what := "document " + args[1]
			if rev != "" {
				what = "revision " + rev + " of " + what
			}
			if attachment != "" {
				what = "attachment " + attachment + " of " + what
			}
			return a.noDocument(ctx, args[0], what, err)
		}
		defer answer.Body.Close()
		_, err = io.Copy(a.out, answer.Body)
		return err
	})
}

// noDocument says what is missing in a database.
func (a *asking) noDocument(ctx context.Context, db, what string, err error) error {
	if errors.Is(err, store.ErrNoDB) {
		return a.noDatabase(ctx, db)
	}
	refused, is := errors.AsType[*client.Refused](err)
	switch {
	case !is || refused.Status != http.StatusNotFound:
		return err
	case refused.Reason == "deleted":
		return missingf("%s of %s is deleted", what, db)
	default:
		return missingf("there is no %s in %s: %s", what, db, refused.Reason)
	}
}

func putCommand() *cobra.Command {
	var a asking
	var force bool
	cmd := &cobra.Command{
		Use: "put DATABASE [ID [FILE]]", Short: "Write a document", Args: wants(1, 3, "a DATABASE, an ID and a FILE"), ValidArgsFunction: inOrder(databaseNames, documentIDs, aFile, noMore),
		Long: `put writes a document from FILE, or from standard input, and prints its id and its new revision. Without
ID it is the _id in the document, or one that the server makes.

A document that is there is replaced if the new one has its revision (_rev), as get prints it.
With --force it is replaced whatever its revision is.`,
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace the document that is there")
	return a.withJSON(a.command(cmd, func(ctx context.Context, args []string) error {
		in := io.Reader(os.Stdin)
		if len(args) == 3 && args[2] != "-" {
			f, err := os.Open(args[2])
			if err != nil {
				return err
			}
			defer f.Close()
			in = f
		}
		doc, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		if err := isObject(doc); err != nil {
			return err
		}
		return a.put(ctx, args, bytes.TrimSpace(doc), force)
	}))
}

// isObject says where a text is no JSON, and what else keeps it from being a document.
func isObject(text []byte) error {
	var any json.RawMessage
	err := json.Unmarshal(text, &any)
	if wrong, is := errors.AsType[*json.SyntaxError](err); is {
		before := text[:min(max(int(wrong.Offset)-1, 0), len(text))]
		line := bytes.Count(before, []byte{'\n'}) + 1
		column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
		return fmt.Errorf("the document is no JSON: line %d, column %d: %w", line, column, err)
	}
	text = bytes.TrimSpace(text)
	switch {
	case err != nil:
		return fmt.Errorf("the document is no JSON: %w", err)
	case jsonscan.Kind(text) != '{':
		return errors.New("the document is no JSON object, which begins with { and ends with }")
	case !jsonscan.Valid(text):
		return errors.New("the document is no JSON object that a server takes: a number is too large, or it is nested too deeply")
	}
	return nil
}

// put writes a document, and says in a conflict what can be done.
func (a *asking) put(ctx context.Context, args []string, doc []byte, force bool) error {
	special := struct {
		ID  string `json:"_id"`
		Rev string `json:"_rev"`
	}{}
	if err := json.Unmarshal(doc, &special); err != nil {
		return fmt.Errorf("_id and _rev of the document: %w", err)
	}
	id := special.ID
	if len(args) > 1 {
		if id != "" && id != args[1] {
			return usagef("the document's _id is %s, and not %s", id, args[1])
		}
		id = args[1]
	}
	q := client.Request{Method: "PUT", Path: []string{args[0], id}, Body: bytes.NewReader(doc)}
	if id == "" {
		q.Method, q.Path = "POST", args[:1]
	} else if force {
		rev, err := a.revision(ctx, args[0], id)
		if err != nil {
			return a.noDocument(ctx, args[0], "document "+id, err)
		}
		if rev != "" {
			q.Query = url.Values{"rev": {rev}}
			plain, err := withoutRev(doc)
			if err != nil {
				return err
			}
			q.Body = bytes.NewReader(plain)
		}
	}
	var raw json.RawMessage
	err := a.Ask(ctx, q, &raw)
	if statusOf(err) == http.StatusConflict {
		now, _ := a.revision(ctx, args[0], id)
		if now == "" {
			return fmt.Errorf("document %s is not there at revision %s", id, special.Rev)
		}
		return fmt.Errorf("document %s is there at revision %s. Put that into _rev to replace it, or say --force", id, now)
	}
	if err != nil {
		return a.noDocument(ctx, args[0], "document "+id, err)
	}
	if a.json {
		return a.print(raw)
	}
	var done struct{ ID, Rev string }
	if err := json.Unmarshal(raw, &done); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, done.ID, done.Rev)
	return err
}

// revision is the revision of a document that is there, "" if it is not.
func (a *asking) revision(ctx context.Context, database, id string) (string, error) {
	now, err := a.Standing(ctx, database, id)
	if now.Deleted {
		return "", err
	}
	return now.Rev, err
}

// withoutRev takes the revision out of a document.
func withoutRev(doc []byte) ([]byte, error) {
	out := []byte{'{'}
	err := jsonscan.EachMember(doc, func(name, value []byte) error {
		if string(name) == "_rev" {
			return nil
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(jsonscan.AppendString(out, name), ':'), value...)
		return nil
	})
	return append(out, '}'), err
}
