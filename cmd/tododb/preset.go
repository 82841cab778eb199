package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/preset"
	"github.com/tododb/tododb/store"
)

// preset makes what the server's preset wants, and says how clients get there.
func (p *prepared) preset(ctx context.Context, st *store.Store, rights *access.Access, out io.Writer) error {
	return preset.Prepare(ctx, preset.Options{Store: st, Config: p.cfg, Access: rights}, func(r *preset.Ready) error {
		base, far := p.reached()
		return welcome(out, r, base, far)
	})
}

// reached is the URL by which clients reach the server. far tells whether other machines can.
func (p *prepared) reached() (base string, far bool) {
	if base = p.cfg.String("tododb", "url"); base != "" {
		return strings.TrimSuffix(base, "/"), true
	}
	if hosts, is := p.cfg.ACMEHosts(); is {
		return "https://" + hosts[0], true // the authority has seen that port 443, or 80, leads here
	}
	scheme, at := "http", p.listening.plain.Addr()
	if p.listening.secure != nil {
		scheme, at = "https", p.listening.secure.Addr()
	}
	address, err := netip.ParseAddrPort(at.String())
	if err != nil {
		return scheme + "://" + at.String(), false
	}
	host := address.Addr().Unmap()
	if host.IsUnspecified() {
		host = cmp.Or(ownAddress(), netip.MustParseAddr("127.0.0.1"))
	}
	return scheme + "://" + netip.AddrPortFrom(host, address.Port()).String(), !host.IsLoopback()
}

// ownAddress is an address of this machine in its network: of IPv4 rather than of IPv6, because
// people type it.
func ownAddress() (best netip.Addr) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return best
	}
	for _, one := range list {
		prefix, err := netip.ParsePrefix(one.String())
		if err != nil {
			continue
		}
		a := prefix.Addr()
		if a.IsGlobalUnicast() && (!best.IsValid() || best.Is6() && a.Is4()) {
			best = a
		}
	}
	return best
}

// plainPort is the port of plain HTTP at a base, or the usual one.
func plainPort(base string) string {
	if u, err := url.Parse(base); err == nil && u.Scheme == "http" && u.Port() != "" {
		return u.Port()
	}
	return "5984"
}

// welcome says what a client needs to know. It never says a password twice.
func welcome(out io.Writer, r *preset.Ready, base string, far bool) error {
	var b strings.Builder
	switch {
	case r.Lacks == preset.ADatabase:
		_, err := fmt.Fprintf(out, "preset %s: there is no database %s any more; tododb db create %[2]s --admin %[3]s --member %[3]s makes it\n", r.Preset, r.Database, r.User)
		return err
	case r.Lacks == preset.AUser:
		fmt.Fprintf(&b, "preset %s: there is no user %s any more; tododb user add %[2]s makes one\n", r.Preset, r.User)
	case r.Refused != "":
		fmt.Fprintf(&b, "preset %s: a password for the user %s cannot be made up: %s Make the user with tododb user add %s\n", r.Preset, r.User, sentence(r.Refused), r.User)
	case r.Password != "":
		fmt.Fprintf(&b, "preset %s: the user %s has the password %s, which is not shown again\n", r.Preset, r.User, r.Password)
	default:
		fmt.Fprintf(&b, "preset %s: the password of the user %s was shown when it was made; tododb user passwd %s sets another one\n", r.Preset, r.User, r.User)
	}
	if r.Lacks == preset.Rights {
		fmt.Fprintf(&b, "preset %s: the user %s may not use the database %s, which keeps the rights that it had; its security names who may: %s/_utils/\n", r.Preset, r.User, r.Database, base)
	}
	fmt.Fprintf(&b, "preset %s: the database is %s/%s\n", r.Preset, base, r.Database)
	scan := base + "/" + r.Database
	switch r.Preset {
	case "pouchdb":
		fmt.Fprintf(&b, "preset %s: new PouchDB('%s/%s', {auth: {username: '%s', password: '...'}})\n", r.Preset, base, r.Database, r.User)
	case "rxdb":
		fmt.Fprintf(&b, "preset %s: replicateCouchDB({url: '%s/%s/', ...}), with the slash at the end\n", r.Preset, base, r.Database)
	case "obsidian":
		if r.Password == "" {
			scan = ""
			break
		}
		link, err := r.LiveSync(base)
		if err != nil {
			return err
		}
		scan = link.URL
		fmt.Fprintf(&b, "preset %s: this link sets Self-hosted LiveSync up, and asks for the passphrase %s:\n%s\n", r.Preset, link.Passphrase, link.URL)
		fmt.Fprintf(&b, "preset %s: devices encrypt the notes with the passphrase %s. The link has it, this server does not: keep it\n", r.Preset, link.Vault)
	}
	if !far {
		also := ""
		if !strings.HasPrefix(base, "https:") {
			also = "; phones want HTTPS too: --https self, or --https and the server's name"
		}
		fmt.Fprintf(&b, "preset %s: only this machine reaches that address. For others, start with --listen 0.0.0.0:%s%s\n", r.Preset, plainPort(base), also)
	}
	if _, err := io.WriteString(out, b.String()); err != nil || !far || scan == "" {
		return err
	}
	return scanned(out, scan)
}

// scanned shows a QR code on a terminal that is wide enough.
func scanned(out io.Writer, text string) error {
	if !isTerminal(out) {
		return nil
	}
	file, is := out.(*os.File)
	if !is {
		return nil
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return nil // a terminal that does not tell
	}
	wide, err := drawQR(out, text, columns)
	if err == nil && wide > columns {
		_, err = fmt.Fprintf(out, "the QR code for phones needs a terminal of %d columns\n", wide)
	}
	return err
}
