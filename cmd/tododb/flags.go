package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/backup/repository"
)

// addServeFlags gives a command the flags of a server.
func addServeFlags(cmd *cobra.Command) {
	dataFlag(cmd)
	storageFlag(cmd)
	cmd.Flags().String("listen", "127.0.0.1:5984", "HOST:PORT to listen on [TODODB_LISTEN]")
	cmd.Flags().String("socket", "", "path of a unix socket to listen on as well [TODODB_SOCKET]")
	cmd.Flags().String("config", "", "file of settings, in CouchDB's ini form [TODODB_CONFIG]")
	cmd.Flags().String("https", "", "also serve HTTPS: names of this server, for certificates of Let's Encrypt, or self, for an authority of this machine's own [TODODB_HTTPS]")
	cmd.Flags().String("preset", "", "kind of client to be ready for: "+strings.Join(config.Presets, ", ")+" [TODODB_PRESET]")
	cmd.Flags().String("origins", "", "origins of web pages that may use the server, with commas between, such as https://notes.example.org; turns CORS on [TODODB_ORIGINS]")
	cmd.Flags().String("log-level", "info", "lowest level that is logged: debug, info, warning, error or none [TODODB_LOG_LEVEL]")
	cmd.Flags().String("log-format", "auto", "text, json, or auto: text on a terminal and JSON elsewhere [TODODB_LOG_FORMAT]")
	completes(cmd, "preset", config.Presets...)
	completes(cmd, "https", "self")
	completes(cmd, "log-level", "debug", "info", "warning", "error", "none")
	completes(cmd, "log-format", "text", "json", "auto")
}

// completes has shells complete a flag by the values that it may have.
func completes(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the command has no such flag
	}
}

// serveOptions is what the command line and the environment say about a server.
type serveOptions struct {
	data      string
	file      string // of settings; "" for none
	logFormat string

	flags, environment map[config.Name]string

	// beside runs beside the server, which ends with it. nil: the server ends when it is told to.
	beside func(ctx context.Context, f *folder) error
}

// serveFlags reads the flags, and the environment for flags that are not given.
func serveFlags(cmd *cobra.Command) (serveOptions, error) {
	byFlag := func(name string) bool { return cmd.Flags().Changed(name) }
	listen, socket, level := byFlag("listen"), byFlag("socket"), byFlag("log-level")
	preset, origins, https, storage := byFlag("preset"), byFlag("origins"), byFlag("https"), byFlag("storage")
	variables := map[string]string{
		"data": "TODODB_DATA", "listen": "TODODB_LISTEN", "socket": "TODODB_SOCKET", "config": "TODODB_CONFIG",
		"preset": "TODODB_PRESET", "origins": "TODODB_ORIGINS", "https": "TODODB_HTTPS", "storage": "TODODB_STORAGE",
		"log-level": "TODODB_LOG_LEVEL", "log-format": "TODODB_LOG_FORMAT",
	}
	for flag, variable := range variables {
		if err := fromEnv(cmd, flag, variable); err != nil {
			return serveOptions{}, err
		}
	}
	flag := func(name string) string { return cmd.Flag(name).Value.String() }
	opt := serveOptions{
		data: flag("data"), file: flag("config"), logFormat: flag("log-format"),
		flags: map[config.Name]string{}, environment: map[config.Name]string{},
	}
	into := func(byFlag bool) map[config.Name]string {
		if byFlag {
			return opt.flags
		}
		return opt.environment
	}
	// named is what somebody wrote who set a flag: itself, or its variable.
	named := func(byFlag bool, name string) string {
		if byFlag {
			return "--" + name
		}
		return variables[name]
	}
	if cmd.Flags().Changed("listen") {
		host, port, err := hostPort(named(listen, "listen"), flag("listen"))
		if err != nil {
			return serveOptions{}, err
		}
		into(listen)[config.Name{Section: "chttpd", Name: "bind_address"}] = host
		into(listen)[config.Name{Section: "chttpd", Name: "port"}] = port
	}
	if cmd.Flags().Changed("storage") {
		into(storage)[storageSetting(flag("storage"))] = flag("storage")
	}
	if cmd.Flags().Changed("socket") {
		into(socket)[config.Name{Section: "chttpd", Name: "socket"}] = flag("socket")
	}
	if cmd.Flags().Changed("https") {
		into(https)[config.Name{Section: "ssl", Name: "https"}] = flag("https")
	}
	if cmd.Flags().Changed("log-level") {
		if err := config.CheckLevel(flag("log-level")); err != nil {
			return serveOptions{}, usagef("%s: %w", named(level, "log-level"), err)
		}
		into(level)[config.Name{Section: "log", Name: "level"}] = flag("log-level")
	}
	if cmd.Flags().Changed("preset") {
		into(preset)[config.Name{Section: "tododb", Name: "preset"}] = flag("preset")
	}
	if cmd.Flags().Changed("origins") {
		if err := checkOrigins(flag("origins")); err != nil {
			return serveOptions{}, usagef("%s: %w", named(origins, "origins"), err)
		}
		into(origins)[config.Name{Section: "cors", Name: "origins"}] = flag("origins")
	}
	return opt, nil
}

// hostPort takes apart what a flag says of where to listen.
func hostPort(flag, address string) (host, port string, err error) {
	if host, port, err = net.SplitHostPort(address); err != nil {
		return "", "", usagef("%s: want HOST:PORT, such as 127.0.0.1:5984 or 0.0.0.0:5984, and not %q", flag, address)
	}
	return host, port, nil
}

// checkOrigins refuses what no browser sends as an origin: it would let nobody in, and say nothing.
func checkOrigins(list string) error {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		u, err := url.Parse(one)
		if one == "" || one == "*" || err == nil && u.Host != "" && one == strings.ToLower(u.Scheme+"://"+u.Host) {
			continue
		}
		return fmt.Errorf("want origins as browsers send them, such as https://notes.example.org or http://localhost:5173, "+
			"in lower case and with nothing behind the name and the port, and not %q", one)
	}
	return nil
}

// settings reads the settings with which the server starts.
func (opt *serveOptions) settings() (*config.Config, error) {
	cfg, err := config.Open(config.Options{
		File: opt.file, Local: filepath.Join(opt.data, "local.ini"), Flags: opt.flags, Environment: opt.environment,
	})
	_, wrongFile := errors.AsType[*config.FileError](err)
	if _, wrongValue := errors.AsType[*config.ValueError](err); wrongFile || wrongValue {
		return nil, &usageError{err} // as it is, no further try is better
	}
	return cfg, err
}

// lasting is a flag for a duration that may be long: as Go writes durations, or such as 7d, 3w, 2mo or 1y.
type lasting struct{ d *time.Duration }

func lastingVar(cmd *cobra.Command, d *time.Duration, name string, value time.Duration, usage string) {
	*d = value
	cmd.Flags().Var(lasting{d}, name, usage)
}

func (l lasting) Set(text string) (err error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = repository.ParseWithin(text)
	}
	if err == nil {
		*l.d = d
	}
	return err
}

func (l lasting) String() string {
	if l.d == nil || *l.d == 0 {
		return "" // --help shows no default
	}
	return l.d.String()
}

func (lasting) Type() string { return "duration" }
