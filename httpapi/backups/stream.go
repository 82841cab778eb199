package backups

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// Backup answers GET _backup with the stream of a database: all of it, or what continues an earlier
// stream.
func (b *Room) Backup(w http.ResponseWriter, r *http.Request) error {
	opt, err := streamOptions(r)
	if err != nil {
		return err
	}
	db, err := b.open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if r.Method == http.MethodHead {
		w.Header()["Content-Type"] = []string{MediaType}
		w.WriteHeader(http.StatusOK)
		return nil
	}
	ctx, cancel := b.whileOpen(r)
	defer cancel()
	update, end := b.tasks.begin("backup", db.Name())
	defer end()
	opt.Temp, opt.Progress = b.temp, update
	out := &codedAnswer{w: w, r: r}
	if _, err := backup.Capture(ctx, db, out, opt); err != nil {
		return whyOver(ctx, err)
	}
	return out.end()
}

func streamOptions(r *http.Request) (opt backup.Options, err error) {
	query, err := wire.QueryOf(r)
	if err != nil {
		return opt, err
	}
	return opt, query.Each(func(name, value string) (err error) {
		switch name {
		case "since":
			opt.Since, err = store.ParsePoint(value)
		case "attachments":
			if value != "true" && value != "list" {
				return wire.BadRequest("`attachments` must be true or list")
			}
			opt.NoContent = value == "list"
		case "checkpoints":
			opt.Checkpoints, err = wire.ParseBool(value)
		}
		return err
	})
}

// maxDigests is how many attachments one request may ask for.
const maxDigests = 10_000

// Contents answers POST _backup with a stream of attachments, which the body names by their digests.
func (b *Room) Contents(w http.ResponseWriter, r *http.Request) error {
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return err
	}
	var asked struct{ Digests []string }
	if err := json.Unmarshal(body, &asked); err != nil || len(asked.Digests) == 0 || len(asked.Digests) > maxDigests {
		return wire.BadRequest("The body must be {\"digests\": [...]} with 1 to %d digests.", maxDigests)
	}
	digests := make([]store.Digest, len(asked.Digests))
	for i, text := range asked.Digests {
		var ok bool
		if digests[i], ok = store.ParseDigest(text); !ok {
			return wire.BadRequest("%s is no digest of an attachment", text)
		}
	}
	db, err := b.open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	ctx, cancel := b.whileOpen(r)
	defer cancel()
	out := &codedAnswer{w: w, r: r}
	if err := backup.Contents(ctx, db, digests, out); err != nil {
		return whyOver(ctx, err)
	}
	return out.end()
}

// Restore answers PUT _restore: a database is made of the streams in the body, a whole one and those
// that continue it, and is there when all of it was verified.
func (b *Room) Restore(w http.ResponseWriter, r *http.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	opt, err := restoreOptions(r)
	if err != nil {
		return err
	}
	body, err := decoded(r)
	if err != nil {
		return err
	}
	defer body.Close()
	ctx, cancel := b.whileOpen(r)
	defer cancel()
	update, end := b.tasks.begin("restore", name)
	defer end()
	opt.Progress = update
	done, err := backup.Restore(ctx, b.store, name, body, opt)
	if err != nil {
		return whyOver(ctx, err)
	}
	if b.restored != nil && !opt.DryRun {
		if err := b.restored(context.WithoutCancel(r.Context()), name); err != nil {
			return err
		}
	}
	_, _ = io.Copy(io.Discard, r.Body) // its end, so that the connection can be used again
	status := http.StatusCreated
	if opt.DryRun {
		status = http.StatusOK
	}
	answer, err := json.Marshal(map[string]any{
		"ok": true, "from": done.From, "streams": done.Streams, "docs": done.End.Documents - done.End.Deleted, "deleted": done.End.Deleted,
		"point": done.End.Point, "dry_run": opt.DryRun,
	})
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, status, answer)
}

func restoreOptions(r *http.Request) (opt backup.RestoreOptions, err error) {
	query, err := wire.QueryOf(r)
	if err != nil {
		return opt, err
	}
	return opt, query.Each(func(name, value string) (err error) {
		switch name {
		case "replace":
			opt.Replace, err = wire.ParseBool(value)
		case "move":
			opt.Move, err = wire.ParseBool(value)
		case "dry_run":
			opt.DryRun, err = wire.ParseBool(value)
		}
		return err
	})
}
