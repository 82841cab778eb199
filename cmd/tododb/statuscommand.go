package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

// serverStatus is what status prints as JSON.
type serverStatus struct {
	URL       string            `json:"url"`
	Version   string            `json:"version"`
	UUID      string            `json:"uuid"`
	Up        bool              `json:"up"`
	User      string            `json:"user"`
	Roles     []string          `json:"roles"`
	Databases *int              `json:"databases,omitempty"`
	Documents *int64            `json:"documents,omitempty"`
	Disk      *int64            `json:"disk,omitempty"` // bytes
	Tasks     []json.RawMessage `json:"tasks,omitempty"`
}

func statusCommand() *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use: "status", Short: "Say how a server is, and as whom you reach it", Args: noArgs,
		Long: `status says whether a server answers, which one it is, and as whom you reach it. Administrators also
see how much is in it and what it is busy with.`,
	}
	return a.withJSON(a.command(cmd, func(ctx context.Context, _ []string) error {
		now, err := a.status(ctx)
		if err != nil {
			return err
		}
		if a.json {
			return a.print(now)
		}
		return a.tellStatus(now)
	}))
}

func (a *asking) status(ctx context.Context) (*serverStatus, error) {
	now := &serverStatus{URL: a.String()}
	id, err := a.Identity(ctx)
	if err != nil {
		return nil, err
	}
	now.UUID, now.Version = id.UUID, strings.TrimSpace(id.Vendor.Name+" "+id.Vendor.Version)
	now.Up = a.get(ctx, nil, "_up") == nil
	var session struct {
		UserCtx struct {
			Name  string
			Roles []string
		} `json:"userCtx"`
	}
	if err := a.get(ctx, &session, "_session"); err != nil {
		return nil, err
	}
	now.User, now.Roles = session.UserCtx.Name, append([]string{}, session.UserCtx.Roles...)
	err = a.get(ctx, &now.Tasks, "_active_tasks")
	if status := statusOf(err); status == http.StatusUnauthorized || status == http.StatusForbidden {
		return now, nil // not for everybody
	}
	if err != nil {
		return nil, err
	}
	databases, documents, disk := 0, int64(0), int64(0)
	err = a.eachDatabase(ctx, "", func(_ json.RawMessage, one dbInfo) {
		databases++
		documents += one.Docs
		disk += one.Sizes.File
	})
	now.Databases, now.Documents, now.Disk = &databases, &documents, &disk
	return now, err
}

func (a *asking) tellStatus(now *serverStatus) error {
	who := "nobody in particular; COUCHDB_USER and COUCHDB_PASSWORD say who you are"
	if now.User != "" {
		who = now.User
		if len(now.Roles) > 0 {
			who += " (" + strings.Join(now.Roles, ", ") + ")"
		}
	}
	up := "yes"
	if !now.Up {
		up = "no, in maintenance mode"
	}
	rows := [][]any{{"version", now.Version}, {"uuid", now.UUID}, {"up", up}, {"you are", who}}
	if now.Databases != nil {
		rows = append(rows, []any{"databases", fmt.Sprintf("%d, with %s, %s on disk", *now.Databases, count(int(*now.Documents), "document"), humanize.IBytes(uint64(*now.Disk)))})
		rows = append(rows, []any{"tasks", len(now.Tasks)})
	}
	if err := a.table(now.URL, rows); err != nil {
		return err
	}
	for _, raw := range now.Tasks {
		var task struct {
			Type, Database, Source, Target string
			Progress                       *int
		}
		if err := json.Unmarshal(raw, &task); err != nil {
			return err
		}
		line := "  " + task.Type
		for _, part := range []string{task.Database, task.Source, task.Target} {
			if part != "" {
				line += " " + part
			}
		}
		if task.Progress != nil {
			line += fmt.Sprintf(" %d%%", *task.Progress)
		}
		if _, err := fmt.Fprintln(a.out, line); err != nil {
			return err
		}
	}
	return nil
}
