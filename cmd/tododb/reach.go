package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tododb/tododb/httpapi/backups/client"
)

// serverFlags say which server is meant.
type serverFlags struct {
	url   string
	known *client.Server // once it has been asked for
}

const serverDefault = "http://127.0.0.1:5984"

func (f *serverFlags) addServer(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "url", serverDefault,
		"the server: http://HOST:PORT, or unix:/PATH for its socket; the user is in it (http://NAME:PASSWORD@HOST:PORT), or is COUCHDB_USER with COUCHDB_PASSWORD [TODODB_URL]")
}

// server is the server that the flags name, with the credentials of the address or the environment. A
// password that is missing is asked for on a terminal.
func (f *serverFlags) server() (*client.Server, error) {
	address, err := f.address()
	if err == nil {
		var s *client.Server
		if s, err = client.New(address, nil); err == nil {
			f.known = s
			return s, nil
		}
	}
	return nil, usagef("--url: %w", err)
}

func (f *serverFlags) address() (string, error) {
	u, err := url.Parse(f.url)
	if err != nil {
		return "", errors.New("that is no address, which is like " + serverDefault) // the cause may have a password
	}
	name, password := os.Getenv("COUCHDB_USER"), os.Getenv("COUCHDB_PASSWORD")
	if u.User != nil {
		known := false
		if password, known = u.User.Password(); known {
			return f.url, nil
		}
		name = u.User.Username()
		if name == os.Getenv("COUCHDB_USER") {
			password = os.Getenv("COUCHDB_PASSWORD")
		}
	}
	if name == "" {
		return f.url, nil
	}
	if password == "" {
		if password, err = askPassword("password of " + name + ": "); err != nil {
			return "", err
		}
	}
	u.User = url.UserPassword(name, password)
	if u.Scheme == "unix" && u.Opaque != "" {
		u.Path, u.Opaque = u.Opaque, ""
	}
	return u.String(), nil
}

// askPassword asks for a password on the terminal, without showing it.
func askPassword(prompt string) (string, error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return "", errors.New("the password is missing, and there is no terminal to ask for it; set COUCHDB_PASSWORD")
	}
	fmt.Fprint(os.Stderr, prompt)
	defer fmt.Fprintln(os.Stderr)
	password, err := term.ReadPassword(in)
	if err == nil && len(password) == 0 {
		err = errors.New("there is no empty password")
	}
	return string(password), err
}

// errUnreachable says that no server answers.
type errUnreachable struct{ error }

func (e *errUnreachable) Unwrap() error { return e.error }

// wordedError is a refusal of the server in words that say what to do about it.
type wordedError struct {
	error
	refused *client.Refused
}

func (e *wordedError) Unwrap() error { return e.refused }

func inWords(refused *client.Refused, format string, args ...any) error {
	return &wordedError{fmt.Errorf(format, args...), refused}
}

// explained says what to do about an error of the server that was asked.
func (f *serverFlags) explained(err error) error {
	if f.known == nil {
		return err
	}
	return explained(f.known, err)
}

// explained adds to an error what to do about it.
func explained(s *client.Server, err error) error {
	if err == nil {
		return nil
	}
	if refused, is := errors.AsType[*client.Refused](err); is {
		switch {
		case refused.Status == http.StatusUnauthorized && s.User() == "":
			return inWords(refused, "%s wants to know who asks: set COUCHDB_USER and COUCHDB_PASSWORD, or put them into --url", s)
		case refused.Status == http.StatusUnauthorized && refused.Word == "unauthorized" && refused.Reason == "Name or password is incorrect.":
			return inWords(refused, "%s does not know %s with this password: look at COUCHDB_USER and COUCHDB_PASSWORD, or at --url", s, s.User())
		case refused.Status == http.StatusForbidden && !strings.HasPrefix(refused.Reason, "You are not ") && !strings.HasPrefix(refused.Reason, "Only admin"):
			return inWords(refused, "%s refuses that: %s", s, refused.Reason) // a rule about what is written, for whoever writes it
		case refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden:
			who := "nobody in particular"
			if s.User() != "" {
				who = s.User()
			}
			return inWords(refused, "%s may not do that: %s Set COUCHDB_USER and COUCHDB_PASSWORD to those of somebody who may, such as an administrator", who, sentence(refused.Reason))
		}
		return err
	}
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return &errUnreachable{fmt.Errorf("the certificate of %s is not trusted: %w. SSL_CERT_FILE may name a file with the authority's certificate", s, innermost(err))}
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return &errUnreachable{fmt.Errorf("what answers at %s is plain HTTP: its address begins with http://", s)}
	}
	if _, is := errors.AsType[*net.OpError](err); is {
		return &errUnreachable{fmt.Errorf("no server answers at %s (%w). Start one with tododb serve, or say with --url or TODODB_URL where it is", s, innermost(err))}
	}
	if asked, is := errors.AsType[*url.Error](err); is && errors.Is(asked, io.EOF) {
		return &errUnreachable{fmt.Errorf("the server at %s went away instead of answering. Is it still there? tododb status --url %s tells", s, s)}
	}
	if _, is := errors.AsType[*net.DNSError](err); is {
		return &errUnreachable{fmt.Errorf("%w. Say with --url or TODODB_URL where the server is", innermost(err))}
	}
	return err
}

// sentence ends a text with a full stop.
func sentence(text string) string {
	if text != "" && text[len(text)-1] != '.' {
		text += "."
	}
	return text
}

// innermost is what lies at the bottom of an error, without the address and its credentials.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
