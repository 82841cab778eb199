package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tododb/tododb/store/backup/repository"
)

func backupShowCommand() *cobra.Command {
	var w wantedFlags
	var db string
	var docs []string
	var asJSON bool
	cmd, _ := backupsCommand("show TARGET", "Show what is in a backup",
		`show lists the databases of a backup; with --db the documents of one with their winners and
conflicts; with --doc also all leaves of these documents with their content.`, func(cmd *cobra.Command, repo *repository.Repository) error {
			want, err := w.wanted()
			if err != nil {
				return err
			}
			if db == "" && len(docs) > 0 {
				return usagef("--doc: say of which database, with --db")
			}
			want.What = repository.Content{Database: db}
			b, err := repo.Find(cmd.Context(), want)
			if err != nil {
				return err
			}
			if asJSON {
				return showBackupAsJSON(cmd, repo, b, db, docs)
			}
			return showBackup(cmd, repo, b, db, docs)
		})
	w.add(cmd)
	cmd.Flags().StringVar(&db, "db", "", "show the documents of this database")
	cmd.Flags().StringArrayVar(&docs, "doc", nil, "show this document; may be repeated")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for programs: an array of databases, or of documents, one a line")
	return cmd
}

func showBackup(cmd *cobra.Command, repo *repository.Repository, b *repository.Backup, db string, ids []string) error {
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	var err error
	switch {
	case db == "":
		fmt.Fprintf(out, "backup %s of %s, server %s\n", b.ID, b.Time.Local().Format(time.DateTime), b.UUID)
		fmt.Fprintln(out, "DATABASE\tDOCUMENTS\tDELETED\tAS OF")
		for i, c := range b.Chains {
			fmt.Fprintf(out, "%s\t%d\t%d\t%s", b.Databases[i].Name, c.Documents-c.Deleted, c.Deleted, c.Time.Local().Format(time.DateTime))
			if failed := b.Databases[i].Failed; failed != "" {
				fmt.Fprintf(out, "\tcould not be read then: %s", failed)
			}
			fmt.Fprintln(out)
		}
	case len(ids) == 0:
		fmt.Fprintln(out, "DOCUMENT\tREVISION\tREVISIONS\tSTATE")
		err = repo.EachDocument(cmd.Context(), b, db, func(d repository.Listed) error {
			state := "live"
			if d.Deleted {
				state = "deleted"
			}
			live := 0
			for _, l := range d.Leaves {
				if !l.Deleted {
					live++
				}
			}
			if live > 1 {
				state += fmt.Sprintf(", %s", count(live-1, "conflict"))
			}
			_, err := fmt.Fprintf(out, "%s\t%s\t%d\t%s\n", d.ID, d.Leaves[0].Rev, d.Revs, state)
			return err
		})
	default:
		var docs []repository.Document
		if docs, err = repo.Documents(cmd.Context(), b, db, ids); err != nil {
			return err
		}
		for _, d := range docs {
			for _, l := range d.Leaves {
				deleted := ""
				if l.Deleted {
					deleted = " deleted"
				}
				fmt.Fprintf(out, "%s %s%s\n  %s\n", d.ID, l.Path[0], deleted, l.JSON)
				for _, a := range l.Attachments {
					fmt.Fprintf(out, "  %s\t%s\t%s\n", a.Name, a.Type, humanize.IBytes(uint64(a.Length)))
				}
				var before []string
				for _, r := range l.Path[1:] {
					before = append(before, r.String())
				}
				if len(before) > 0 {
					fmt.Fprintf(out, "  before: %s\n", strings.Join(before[:min(len(before), 10)], " "))
				}
			}
		}
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// What show prints for programs.
type (
	shownDatabase struct {
		Name      string    `json:"name"`
		Documents uint64    `json:"documents"`
		Deleted   uint64    `json:"deleted"`
		Time      time.Time `json:"time"`
		Failed    string    `json:"failed,omitempty"` // why it could not be read then: what there is, is older
	}
	shownDocument struct {
		ID        string      `json:"id"`
		Rev       string      `json:"rev"`
		Deleted   bool        `json:"deleted"`
		Revisions int         `json:"revisions,omitempty"`
		Conflicts int         `json:"conflicts"`
		Leaves    []shownLeaf `json:"leaves,omitempty"`
	}
	shownLeaf struct {
		Rev         string            `json:"rev"`
		Deleted     bool              `json:"deleted"`
		Before      []string          `json:"before"`
		Doc         json.RawMessage   `json:"doc"`
		Attachments []shownAttachment `json:"attachments,omitempty"`
	}
	shownAttachment struct {
		Name   string `json:"name"`
		Type   string `json:"content_type"`
		Length int64  `json:"length"`
	}
)

// lines writes a JSON array, one element a line. It holds none of them.
type lines struct {
	out   io.Writer
	begun bool
}

func (l *lines) add(element any) error {
	text, err := json.Marshal(element)
	if err != nil {
		return err
	}
	before := "[\n"
	if l.begun {
		before = ",\n"
	}
	l.begun = true
	_, err = fmt.Fprintf(l.out, "%s%s", before, text)
	return err
}

func (l *lines) end() (err error) {
	if l.begun {
		_, err = fmt.Fprint(l.out, "\n]\n")
	} else {
		_, err = fmt.Fprintln(l.out, "[]")
	}
	return err
}

func showBackupAsJSON(cmd *cobra.Command, repo *repository.Repository, b *repository.Backup, db string, ids []string) (err error) {
	l := &lines{out: cmd.OutOrStdout()}
	switch {
	case db == "":
		for i, c := range b.Chains {
			one := shownDatabase{b.Databases[i].Name, c.Documents - c.Deleted, c.Deleted, c.Time, b.Databases[i].Failed}
			if err := l.add(one); err != nil {
				return err
			}
		}
	case len(ids) == 0:
		err = repo.EachDocument(cmd.Context(), b, db, func(d repository.Listed) error {
			one := shownDocument{ID: d.ID, Rev: d.Leaves[0].Rev.String(), Deleted: d.Deleted, Revisions: d.Revs}
			for _, leaf := range d.Leaves[1:] {
				if !leaf.Deleted {
					one.Conflicts++
				}
			}
			return l.add(one)
		})
	default:
		var docs []repository.Document
		if docs, err = repo.Documents(cmd.Context(), b, db, ids); err != nil {
			return err
		}
		for _, d := range docs {
			if err := l.add(shownAs(d)); err != nil {
				return err
			}
		}
	}
	if err != nil {
		return err
	}
	return l.end()
}

func shownAs(d repository.Document) shownDocument {
	one := shownDocument{ID: d.ID, Rev: d.Leaves[0].Path[0].String(), Deleted: d.Deleted}
	for i, leaf := range d.Leaves {
		if i > 0 && !leaf.Deleted {
			one.Conflicts++
		}
		s := shownLeaf{Rev: leaf.Path[0].String(), Deleted: leaf.Deleted, Before: []string{}, Doc: leaf.JSON}
		for _, rev := range leaf.Path[1:] {
			s.Before = append(s.Before, rev.String())
		}
		for _, a := range leaf.Attachments {
			s.Attachments = append(s.Attachments, shownAttachment{a.Name, a.Type, int64(a.Length)})
		}
		one.Leaves = append(one.Leaves, s)
	}
	return one
}
