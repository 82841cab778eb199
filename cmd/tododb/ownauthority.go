package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/tododb/tododb/cmd/tododb/authority"
	"github.com/tododb/tododb/httpapi/config"
)

// ownAuthority keeps a certificate of the machine's own authority.
type ownAuthority struct {
	cfg    *config.Config
	folder authority.Folder
	said   string // the names that were left out at the last look
}

// newOwnAuthority returns nil if the settings want none. The files are in the folder dir.
func newOwnAuthority(cfg *config.Config, dir string) *ownAuthority {
	if _, is := cfg.OwnAuthority(); !is {
		return nil
	}
	return &ownAuthority{cfg: cfg, folder: authority.Folder(dir)}
}

// look makes the certificate if it is missing, ends soon or lacks a name that the machine has got since.
func (o *ownAuthority) look(log *slog.Logger) (authority.Changed, error) {
	more, _ := o.cfg.OwnAuthority()
	names, err := authority.Machine(more...)
	if err != nil {
		return authority.Changed{}, fmt.Errorf("find this machine's names: %w", err)
	}
	changed, err := o.folder.Keep(names, time.Now())
	if err != nil {
		return changed, fmt.Errorf("[ssl] https: %w", err)
	}
	if left := strings.Join(changed.Left, ", "); left != o.said {
		if o.said = left; left != "" {
			log.Warn("the authority was made before the machine had these names, and may not speak for them", "names", left, "folder", string(o.folder))
		}
	}
	return changed, nil
}

// explain tells people how to trust the authority of what listens at an address.
func (o *ownAuthority) explain(out io.Writer, at net.Addr) error {
	file, err := filepath.Abs(o.folder.Certificate())
	if err != nil {
		return err
	}
	print, err := o.folder.Fingerprint()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, howToTrust, file, print, port)
	return err
}

const howToTrust = `made an authority for this machine's HTTPS. Its certificate, which is not secret, is
  %[1]s
Trust it once on each device; it can vouch for this machine and local networks only.
  Linux     sudo cp %[1]s /usr/local/share/ca-certificates/tododb.crt && sudo update-ca-certificates
            (Fedora: /etc/pki/ca-trust/source/anchors/ and update-ca-trust)
  Chrome on Linux   certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n tododb -i %[1]s
  macOS     sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain %[1]s
            (at the Mac itself: it asks for an administrator's password once more)
  Windows   certutil -addstore -f ROOT %[1]s        (as administrator)
  Firefox   Settings, Privacy & Security, View Certificates, Authorities, Import
  iPhone    send yourself the file and open it; Settings, Profile Downloaded (or General, VPN & Device
            Management), Install; then General, About, Certificate Trust Settings: switch it on
  Android   copy the file to the phone; Settings, Security, Encryption & credentials, Install a certificate, CA
  curl      curl --cacert %[1]s https://localhost:%[3]s/
Compare its SHA-256 fingerprint: %[2]s
`
