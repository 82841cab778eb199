package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/cmd/tododb/doctor"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/store/health"
)

// errIll ends a doctor's visit that found a fault. The fault has been printed by then.
var errIll = errors.New("something is wrong")

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor [URL]",
		Short: "Find out what is wrong with a server, or with a data folder",
		Long: `doctor looks at a server as its clients see it, through whatever proxies stand between: is it
reachable, does its certificate prove who it is, what may a web page of --origin do, do sessions,
feeds, idle connections and long requests work, do the clocks agree. URL is the server's or one of
its databases'. Credentials stand in it or in COUCHDB_USER and COUCHDB_PASSWORD; without them
fewer checks are made. It changes nothing.

Without URL it looks at the data folder: the disk, the file system, who may read it, how many files
may be open, the clock. A server may have the folder open.

Each fault comes with its cure. The exit code is 8 if there is a fault.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("doctor: want at most one URL, got %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd, "data", "TODODB_DATA"); err != nil {
				return err
			}
			var list []health.Finding
			up, err := cmd.Flags().GetBool("up")
			if err != nil {
				return err
			}
			switch {
			case up:
				visit, err := visitOf(cmd, serverHere(args))
				if err != nil {
					return err
				}
				list = append(list, doctor.Up(cmd.Context(), visit))
			case len(args) == 1:
				visit, err := visitOf(cmd, args[0])
				if err != nil {
					return err
				}
				list = doctor.Look(cmd.Context(), visit)
			default:
				if list, err = lookAtFolder(cmd); err != nil {
					return err
				}
			}
			if cmd.Context().Err() != nil { // what was cut off would look like a fault of the server
				return errors.New("interrupted: nothing is said of the server")
			}
			if err := printFindings(cmd, list); err != nil {
				return err
			}
			if health.Faulty(list) {
				return errIll
			}
			return nil
		},
	}
	dataFlag(cmd)
	cmd.Flags().String("origin", "", "origin of a web page that is to use the server, such as https://notes.example.org")
	cmd.Flags().Duration("idle", 11*time.Second, "how long a connection must live without traffic")
	cmd.Flags().Duration("patience", 10*time.Second, "how long an answer may take")
	cmd.Flags().String("ca-file", "", "PEM file with authorities to trust for certificates, instead of the system's")
	cmd.Flags().Bool("up", false, "only ask whether the server is up, as a health check; without URL, the one on this machine at TODODB_LISTEN's port")
	cmd.Flags().Bool("json", false, "print JSON, for programs")
	return cmd
}

// lookAtFolder looks at the data folder of the command line.
func lookAtFolder(cmd *cobra.Command) ([]health.Finding, error) {
	dir := cmd.Flag("data").Value.String()
	cfg, err := config.Open(config.Options{Local: filepath.Join(dir, "local.ini")})
	if errors.Is(err, os.ErrPermission) { // the doctor says more
		cfg, err = config.Open(config.Options{})
	}
	if err != nil {
		return nil, err
	}
	folder := healthOf(cfg, dir)
	folder.InUse = func() (bool, error) { return inUse(dir) }
	return folder.Look(cmd.Context()), nil
}

// serverHere is the URL in args, or that of the server on this machine.
func serverHere(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	_, port, err := net.SplitHostPort(os.Getenv("TODODB_LISTEN"))
	if err != nil {
		port = "5984"
	}
	return "http://127.0.0.1:" + port
}

// healthOf is what is looked at in a data folder.
func healthOf(cfg *config.Config, dir string) health.Folder {
	return health.Folder{Path: dir, Version: version, Files: int(cfg.Int("couchdb", "max_dbs_open"))}
}

// inUse tells whether another process has the folder open. It makes no lock where there is none.
func inUse(dir string) (bool, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer lock.Close()
	err = lockAlone(lock)
	if errors.Is(err, errInUse) {
		return true, nil
	}
	return false, err
}

// visitOf reads what the command line says about a server.
func visitOf(cmd *cobra.Command, address string) (doctor.Visit, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return doctor.Visit{}, usagef("doctor: the URL of a server looks like http://HOST:PORT")
	}
	v := doctor.Visit{URL: u, Name: os.Getenv("COUCHDB_USER"), Password: os.Getenv("COUCHDB_PASSWORD"), Origin: strings.TrimSuffix(cmd.Flag("origin").Value.String(), "/"), Version: version}
	if u.User != nil {
		v.Name = u.User.Username()
		v.Password, _ = u.User.Password()
	}
	if v.Idle, err = cmd.Flags().GetDuration("idle"); err != nil {
		return v, err
	}
	if v.Patience, err = cmd.Flags().GetDuration("patience"); err != nil {
		return v, err
	}
	if path := cmd.Flag("ca-file").Value.String(); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return v, fmt.Errorf("--ca-file: %w", err)
		}
		v.Roots = x509.NewCertPool()
		if !v.Roots.AppendCertsFromPEM(text) {
			return v, usagef("--ca-file: %s has no certificate", path)
		}
	}
	return v, nil
}

// printFindings prints them, for people or for programs.
func printFindings(cmd *cobra.Command, list []health.Finding) error {
	if cmd.Flag("json").Value.String() == "true" {
		out := json.NewEncoder(cmd.OutOrStdout())
		out.SetIndent("", "  ")
		return out.Encode(map[string]any{"healthy": !health.Faulty(list), "findings": list})
	}
	var b strings.Builder
	for _, one := range list {
		fmt.Fprintf(&b, "%-8s %s: %s\n", one.State, one.Check, one.Says)
		if one.Cure != "" {
			fmt.Fprintf(&b, "         -> %s\n", one.Cure)
		}
	}
	_, err := io.WriteString(cmd.OutOrStdout(), b.String())
	return err
}
