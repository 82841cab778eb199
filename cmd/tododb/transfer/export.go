package transfer

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store/jsonscan"
)

// Export writes the documents of a database to a file, in the order of their ids.
type Export struct {
	Server   *client.Server
	Database string

	Format      string   // one of Formats; "" is ndjson
	Attachments bool     // with the content of attachments; otherwise they are only named
	NoRevisions bool     // without _rev
	NoDesign    bool     // without design documents
	Columns     []string // of a table; nil: all members that any document has
	Progress    func(documents int64)
}

// Run writes the documents and returns how many there were. After an error, what was written is
// not the whole.
func (e *Export) Run(ctx context.Context, w io.Writer) (n int64, err error) {
	out := bufio.NewWriterSize(w, 64<<10)
	switch e.Format {
	case "csv", "tsv":
		n, err = e.table(ctx, out)
	case "json":
		n, err = e.array(ctx, out)
	default:
		n, err = e.each(ctx, func(doc []byte) error {
			out.Write(doc)
			return out.WriteByte('\n')
		})
	}
	return n, errors.Join(err, out.Flush())
}

func (e *Export) array(ctx context.Context, out *bufio.Writer) (int64, error) {
	between := "[\n"
	n, err := e.each(ctx, func(doc []byte) error {
		out.WriteString(between)
		between = ",\n"
		_, err := out.Write(doc)
		return err
	})
	if err != nil {
		return n, err
	}
	if n == 0 {
		out.WriteString("[")
	}
	_, err = out.WriteString("\n]\n")
	return n, err
}

// each calls fn with every document, without what is left out.
func (e *Export) each(ctx context.Context, fn func(doc []byte) error) (n int64, err error) {
	q := url.Values{"include_docs": {"true"}}
	if e.Attachments {
		q.Set("attachments", "true")
	}
	answer, err := e.Server.Open(ctx, client.Request{Method: "GET", Path: []string{e.Database, "_all_docs"}, Query: q})
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	rows := &stream{dec: jsontext.NewDecoder(answer.Body, jsontext.AllowDuplicateNames(true)), seen: &dumps{}}
	for {
		item, err := rows.Next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("the answer of %s: %w", e.Server, err)
		}
		doc, err := e.trimmed(item.Doc)
		if err != nil {
			return n, err
		}
		if doc == nil {
			continue
		}
		if err := fn(doc); err != nil {
			return n, err
		}
		if n++; e.Progress != nil {
			e.Progress(n)
		}
	}
}

// trimmed takes away what is left out; nil is a document that is.
func (e *Export) trimmed(doc []byte) ([]byte, error) {
	out := make([]byte, 0, len(doc))
	out = append(out, '{')
	design := false
	err := jsonscan.EachMember(doc, func(name, value []byte) error {
		switch string(name) {
		case "_id":
			id, err := jsonscan.Text(value)
			if err != nil {
				return err
			}
			design = strings.HasPrefix(id, "_design/")
		case "_rev":
			if e.NoRevisions {
				return nil
			}
		case "_attachments":
			if IsTable(e.Format) {
				return nil
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(jsonscan.AppendString(out, name), ':'), value...)
		return nil
	})
	if err != nil || design && e.NoDesign {
		return nil, err
	}
	return append(out, '}'), nil
}

// table writes a table. Unless the columns are given, it reads all documents twice: what they have
// is known behind the last one.
func (e *Export) table(ctx context.Context, out *bufio.Writer) (int64, error) {
	once := *e
	once.NoDesign = true
	columns := e.Columns
	if columns == nil {
		once.Progress = nil
		at := map[string]bool{}
		_, err := once.each(ctx, func(doc []byte) error {
			return jsonscan.EachMember(doc, func(name, _ []byte) error {
				if !at[string(name)] {
					at[string(name)] = true
					columns = append(columns, string(name))
				}
				return nil
			})
		})
		if err != nil {
			return 0, err
		}
		once.Progress = e.Progress
	}
	w := csv.NewWriter(out)
	if e.Format == "tsv" {
		w.Comma = '\t'
	}
	if err := w.Write(columns); err != nil {
		return 0, err
	}
	n, err := once.each(ctx, func(doc []byte) error {
		row := make([]string, len(columns))
		err := jsonscan.EachMember(doc, func(name, value []byte) error {
			i := slices.Index(columns, string(name))
			if i < 0 {
				if e.Columns == nil {
					return fmt.Errorf("documents changed meanwhile: one has a member %q now. Name the columns (--columns), or try again", name)
				}
				return nil
			}
			if jsonscan.Kind(value) != '"' {
				row[i] = string(value)
				return nil
			}
			text, err := jsonscan.Text(value)
			row[i] = text
			return err
		})
		if err != nil {
			return err
		}
		return w.Write(row)
	})
	w.Flush()
	return n, errors.Join(err, w.Error())
}
