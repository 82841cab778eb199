package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/backups/client"
)

func tokenCommand() *cobra.Command {
	cmd := group("token", "Issue, list and revoke tokens, with which devices log in", tokenIssueCommand(), tokenListCommand(), tokenRevokeCommand())
	cmd.Long = `A token lets a device in without a password: to some databases, to read or to write, for some
time. It belongs to the user who issues it, and can do no more than that user.`
	return cmd
}

// issued is a token as the server describes it.
type issued struct {
	ID        string    `json:"id"`
	Owner     string    `json:"owner"`
	Device    string    `json:"device"`
	Databases []string  `json:"databases"`
	Access    string    `json:"access"`
	Expires   time.Time `json:"expires"`
	Token     string    `json:"token,omitempty"`
}

func tokenIssueCommand() *cobra.Command {
	var a asking
	var device, prefix string
	var write, draw bool
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use: "issue DATABASE...", Short: "Issue a token for a device", Args: wants(1, -1, "at least one DATABASE"), ValidArgsFunction: databaseNames,
		Long: `issue prints a token, once. A device sends it as Authorization: Bearer TOKEN.`,
	}
	cmd.Flags().StringVar(&device, "device", "", "name of the device, by which you know it again (required)")
	cmd.Flags().BoolVar(&write, "write", false, "the device may also write")
	cmd.Flags().StringVar(&prefix, "id-prefix", "", "only documents whose ids begin so")
	lastingVar(cmd, &lifetime, "expires", 0, "for how long, such as 12h or 30d; as [device_tokens] says if it is not given")
	cmd.Flags().BoolVar(&draw, "qr", false, "also draw the token on the terminal, as a QR code")
	return a.withJSON(a.command(cmd, func(ctx context.Context, args []string) error {
		if device == "" {
			return usagef("--device: give the device a name")
		}
		asked := map[string]any{"databases": args, "device": device, "access": "read"}
		if write {
			asked["access"] = "read-write"
		}
		if prefix != "" {
			asked["id_prefix"] = prefix
		}
		if lifetime != 0 {
			asked["expires_in"] = int64(lifetime / time.Second)
		}
		var raw json.RawMessage
		if err := a.Ask(ctx, client.Request{Method: "POST", Path: []string{"_session", "tokens"}, JSON: asked}, &raw); err != nil {
			return err
		}
		if a.json {
			return a.print(raw)
		}
		var t issued
		if err := json.Unmarshal(raw, &t); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "%s\nexpires %s; tododb token revoke %s ends it before\n", t.Token, t.Expires.Local().Format(time.DateTime), t.ID)
		if err != nil || !draw {
			return err
		}
		return scanned(a.out, t.Token)
	}))
}

func tokenListCommand() *cobra.Command {
	var a asking
	var owner string
	var all bool
	cmd := &cobra.Command{Use: "ls", Short: "List tokens", Args: noArgs}
	cmd.Flags().StringVar(&owner, "owner", "", "those of another user, for administrators")
	cmd.Flags().BoolVar(&all, "all", false, "those of all users, for administrators")
	return a.withJSON(a.command(cmd, func(ctx context.Context, _ []string) error {
		q := url.Values{}
		if owner != "" {
			q.Set("owner", owner)
		}
		if all {
			q.Set("all", "true")
		}
		var answer struct{ Tokens json.RawMessage }
		if err := a.Ask(ctx, client.Request{Method: "GET", Path: []string{"_session", "tokens"}, Query: q}, &answer); err != nil {
			return err
		}
		if a.json {
			return a.print(answer.Tokens)
		}
		var list []issued
		if err := json.Unmarshal(answer.Tokens, &list); err != nil {
			return err
		}
		var rows [][]any
		for _, t := range list {
			rows = append(rows, []any{t.ID, t.Owner, t.Access, t.Expires.Local().Format(time.DateTime), strings.Join(t.Databases, ","), t.Device})
		}
		return a.table("ID OWNER ACCESS EXPIRES DATABASES DEVICE", rows)
	}))
}

func tokenRevokeCommand() *cobra.Command {
	var a asking
	cmd := &cobra.Command{Use: "revoke ID...", Short: "End tokens", Args: wants(1, -1, "at least one ID")}
	return a.command(cmd, func(ctx context.Context, args []string) error {
		for _, id := range args {
			err := a.Ask(ctx, client.Request{Method: "DELETE", Path: []string{"_session", "tokens", id}}, nil)
			if statusOf(err) == http.StatusNotFound {
				return missingf("there is no token %s of yours; tododb token ls lists them", id)
			}
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(a.out, "revoked %s\n", id); err != nil {
				return err
			}
		}
		return nil
	})
}
