package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/backups/client"
	"github.com/tododb/tododb/store"
)

func dbCommand() *cobra.Command {
	return group("db", "List, make, look at and remove databases of a server", dbListCommand(), dbCreateCommand(), dbInfoCommand(), dbRemoveCommand())
}

// dbInfo is what a server tells of a database.
type dbInfo struct {
	Name    string `json:"db_name"`
	Docs    int64  `json:"doc_count"`
	Deleted int64  `json:"doc_del_count"`
	Sizes   struct {
		File, External, Active int64
	}
	Props struct{ Partitioned bool }
}

func dbListCommand() *cobra.Command {
	var a asking
	cmd := &cobra.Command{Use: "ls [PREFIX]", Short: "List databases", Args: wants(0, 1, "at most one PREFIX"), ValidArgsFunction: inOrder(databaseNames, noMore)}
	return a.withJSON(a.command(cmd, func(ctx context.Context, args []string) error {
		var rows [][]any
		infos := []json.RawMessage{}
		err := a.eachDatabase(ctx, append(args, "")[0], func(raw json.RawMessage, one dbInfo) {
			infos = append(infos, raw)
			rows = append(rows, []any{one.Name, one.Docs, humanize.IBytes(uint64(one.Sizes.File))})
		})
		if err != nil {
			return err
		}
		if a.json {
			return a.print(infos)
		}
		return a.table("NAME DOCUMENTS SIZE", rows)
	}))
}

// eachDatabase reads about the databases whose names begin with a prefix, in pages. Of a page those that are gone by then,
// or not for who asks, are left out, so their number does not tell whether it is the last one: the names do.
func (a *asking) eachDatabase(ctx context.Context, prefix string, fn func(json.RawMessage, dbInfo)) error {
	from, err := json.Marshal(prefix)
	if err != nil {
		return err
	}
	to := string(from[:len(from)-1]) + `\ufff0"`
	return a.EachNames(ctx, url.Values{"start_key": {string(from)}, "end_key": {to}}, 1000, func(names []string) error {
		q := url.Values{}
		for key, name := range map[string]string{"start_key": names[0], "end_key": names[len(names)-1]} {
			text, err := json.Marshal(name)
			if err != nil {
				return err
			}
			q.Set(key, string(text))
		}
		var some []struct {
			Key  string
			Info json.RawMessage
		}
		if err := a.Ask(ctx, client.Request{Method: "GET", Path: []string{"_dbs_info"}, Query: q}, &some); err != nil {
			return err
		}
		for _, one := range some {
			info := dbInfo{Name: one.Key}
			if err := json.Unmarshal(one.Info, &info); err != nil {
				return err
			}
			fn(one.Info, info)
		}
		return nil
	})
}

func dbCreateCommand() *cobra.Command {
	var a asking
	var partitioned bool
	var members, admins []string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a database", Args: wants(1, 1, "one NAME"),
		Long: `create makes a database. Until --member or its security object names others, only administrators
of the server may use it.`,
	}
	cmd.Flags().BoolVar(&partitioned, "partitioned", false, "ids of its documents begin with a partition, PARTITION:ID")
	cmd.Flags().StringArrayVar(&members, "member", nil, "user who may read and write it; may be repeated")
	cmd.Flags().StringArrayVar(&admins, "admin", nil, "user who may also change its design documents and its members; may be repeated")
	return a.command(cmd, func(ctx context.Context, args []string) error {
		q := client.Request{Method: "PUT", Path: args}
		if partitioned {
			q.Query = url.Values{"partitioned": {"true"}}
		}
		err := a.Ask(ctx, q, nil)
		if errors.Is(err, store.ErrDBExists) {
			return fmt.Errorf("there is a database %s already", args[0])
		}
		if err != nil {
			return err
		}
		if len(members)+len(admins) > 0 {
			security := map[string]any{"members": people(append(members, admins...)), "admins": people(admins)}
			if err := a.Ask(ctx, client.Request{Method: "PUT", Path: []string{args[0], "_security"}, JSON: security}, nil); err != nil {
				return fmt.Errorf("the database is made, but its members are not set: %w", err)
			}
		}
		_, err = fmt.Fprintf(a.out, "made %s\n", args[0])
		return err
	})
}

// people is a group of a security object.
func people(names []string) map[string][]string {
	return map[string][]string{"names": append([]string{}, names...), "roles": {}}
}

func dbInfoCommand() *cobra.Command {
	var a asking
	cmd := &cobra.Command{Use: "info NAME", Short: "Say how large a database is, and who may use it", Args: wants(1, 1, "one NAME"), ValidArgsFunction: inOrder(databaseNames, noMore)}
	return a.withJSON(a.command(cmd, func(ctx context.Context, args []string) error {
		var raw json.RawMessage
		err := a.get(ctx, &raw, args[0])
		if errors.Is(err, store.ErrNoDB) {
			return a.noDatabase(ctx, args[0])
		}
		if err != nil {
			return err
		}
		if a.json {
			return a.print(raw)
		}
		var info dbInfo
		if err := json.Unmarshal(raw, &info); err != nil {
			return err
		}
		var security struct {
			Admins, Members struct{ Names, Roles []string }
		}
		if err := a.get(ctx, &security, args[0], "_security"); err != nil {
			return err
		}
		rows := [][]any{
			{"documents", info.Docs}, {"deleted", info.Deleted}, {"partitioned", info.Props.Partitioned},
			{"on disk", humanize.IBytes(uint64(info.Sizes.File))}, {"of that in use", humanize.IBytes(uint64(info.Sizes.Active))},
			{"content", humanize.IBytes(uint64(info.Sizes.External))},
			{"members", listed(security.Members.Names, security.Members.Roles)}, {"administrators", listed(security.Admins.Names, security.Admins.Roles)},
		}
		return a.table(info.Name, rows)
	}))
}

// listed names users and roles.
func listed(names, roles []string) string {
	text := ""
	for _, name := range names {
		text += ", " + name
	}
	for _, role := range roles {
		text += ", role " + role
	}
	if text == "" {
		return "-"
	}
	return text[2:]
}

func dbRemoveCommand() *cobra.Command {
	var a asking
	cmd := &cobra.Command{Use: "rm NAME", Short: "Remove a database with all that is in it", Args: wants(1, 1, "one NAME"), ValidArgsFunction: inOrder(databaseNames, noMore)}
	return a.withYes(a.command(cmd, func(ctx context.Context, args []string) error {
		err := a.get(ctx, nil, args[0])
		if err == nil {
			if err = a.sure("database", args[0]); err != nil {
				return err
			}
			err = a.Ask(ctx, client.Request{Method: "DELETE", Path: args}, nil)
		}
		if errors.Is(err, store.ErrNoDB) {
			return a.noDatabase(ctx, args[0])
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "removed %s\n", args[0])
		return err
	}))
}
