package repository

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/store"
)

// Backup is one backup: what its object says.
type Backup struct {
	Outline
	Details
	Part
	// Anew are the databases of which Make has found that parts in the storage are missing or too short,
	// so that it has stored all of them again. Earlier backups still lack those parts.
	Anew int
}

// Outline is what can be read of a backup without a key.
type Outline struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Server  string    `json:"server"` // a hash of its uuid
	Began   time.Time `json:"began"`
	Time    time.Time `json:"time"`              // when it ended: nothing in it is newer
	Number  uint64    `json:"number"`            // one more than that of the server's backup before: clocks may be set back
	Edition int       `json:"edition"`           // how often prune wrote it again, with other segments
	Stored  int64     `json:"stored"`            // bytes that its run brought to the storage
	Partial bool      `json:"partial,omitempty"` // it was asked for some databases only
	Chains  []Chain   `json:"chains"`            // in the order of Databases
}

// Chain is what a backup has of one database.
type Chain struct {
	Key   string      `json:"key"`   // a hash of the server's uuid and the name
	Time  time.Time   `json:"time"`  // when the database was as it is here; earlier than Began if the run could not read it
	Point store.Point `json:"point"` // where the next backup continues
	// Documents are the documents that the database has, Deleted those that are deleted.
	Documents uint64 `json:"documents"`
	Deleted   uint64 `json:"deleted"`

	Segments []Part `json:"segments"`
	Packs    []Pack `json:"packs,omitempty"` // of the contents of its attachments
}

// Details are what needs a key if a backup is encrypted.
type Details struct {
	UUID      string                       `json:"uuid"` // of the server
	Version   string                       `json:"version"`
	Databases []Database                   `json:"databases"`
	Settings  map[string]map[string]string `json:"settings,omitempty"`
}

// Database says what a backup has of a database.
type Database struct {
	Name string `json:"name"`
	// Failed says why the run could not read the database. It is as of an earlier run then.
	Failed string `json:"failed,omitempty"`
}

// Find returns the place of a database.
func (b *Backup) Find(name string) (i int, err error) {
	i = slices.IndexFunc(b.Databases, func(d Database) bool { return d.Name == name })
	if i < 0 {
		return 0, fmt.Errorf("%s: %w", name, ErrNoDB)
	}
	return i, nil
}

// Bytes is how much storage is named by the backup. Others may name the same.
func (o *Outline) Bytes() (n int64) {
	seen := map[string]bool{}
	for p := range o.parts() {
		if !seen[p.Name] {
			seen[p.Name] = true
			n += p.Size
		}
	}
	return n
}

// parts are all objects that the backup names.
func (o *Outline) parts() func(yield func(Part) bool) {
	return func(yield func(Part) bool) {
		for i := range o.Chains {
			if !o.Chains[i].each(yield) {
				return
			}
		}
	}
}

func (c *Chain) each(yield func(Part) bool) bool {
	for _, p := range c.Segments {
		if !yield(p) {
			return false
		}
	}
	for _, p := range c.Packs {
		if p.Pack.Name != "" && !yield(p.Pack) || !yield(p.Index) {
			return false
		}
	}
	return true
}

func (c *Chain) clone() *Chain {
	d := *c
	d.Segments, d.Packs = slices.Clone(c.Segments), slices.Clone(c.Packs)
	return &d
}

// hash hashes names with the salt, so that an encrypted repository does not tell them.
func (r *Repository) hash(parts ...string) string {
	h := r.hashBytes(parts...)
	return hex.EncodeToString(h[:16])
}

func (r *Repository) hashBytes(parts ...string) [sha256.Size]byte {
	b := bytes.Clone(r.salt)
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return sha256.Sum256(b)
}

const backups = "backups/"

// stamp is the form of times in names, which sorts.
const stamp = "20060102T150405.000Z"

// backupName is the name of a backup: backups/TIME-SERVER-ID-EDITION.NUMBER-SHA256.
func (o *Outline) backupName(sum string) string {
	return fmt.Sprintf("%s%s-%s-%s-%d.%d-%s", backups, o.Time.UTC().Format(stamp), o.Server[:8], o.ID, o.Edition, o.Number, sum)
}

// listed is what the name of a backup tells.
type listed struct {
	Part
	time    time.Time
	server  string // the beginning of its hash
	id      string
	edition int
	number  uint64 // 0: it was made before backups had numbers
}

// after tells which of two backups of a server is the newer one.
func (l *listed) after(o *listed) int {
	return cmp.Or(cmp.Compare(l.number, o.number), l.time.Compare(o.time), cmp.Compare(l.id, o.id))
}

func parseBackupName(e Entry) (l listed, ok bool) {
	p := strings.Split(strings.TrimPrefix(e.Name, backups), "-")
	if len(p) != 5 || sum(e.Name) == "" {
		return l, false
	}
	l = listed{Part: Part{e.Name, e.Size}, server: p[1], id: p[2]}
	var err error
	if l.time, err = time.Parse(stamp, p[0]); err != nil {
		return l, false
	}
	edition, number, numbered := strings.Cut(p[3], ".")
	if l.edition, err = strconv.Atoi(edition); err == nil && numbered {
		l.number, err = strconv.ParseUint(number, 10, 64)
	}
	return l, err == nil
}

// listBackups lists the backups, the oldest first: those of a server in the order in which they were
// made, whatever its clock said, and those of several servers by their times. Of two editions of one
// the newer one counts; older has what the older ones are.
func (r *Repository) listBackups(ctx context.Context) (all, older []listed, err error) {
	err = r.storage.List(ctx, backups, func(e Entry) error {
		if l, ok := parseBackupName(e); ok {
			all = append(all, l)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b listed) int {
		return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.id, b.id), cmp.Compare(b.edition, a.edition))
	})
	newest := all[:0]
	for _, l := range all {
		if n := len(newest); n > 0 && newest[n-1].id == l.id {
			older = append(older, l)
		} else {
			newest = append(newest, l)
		}
	}
	places := map[string][]int{}
	for i, l := range newest {
		places[l.server] = append(places[l.server], i)
	}
	for _, of := range places {
		made := make([]listed, len(of))
		for n, i := range of {
			made[n] = newest[i]
		}
		slices.SortFunc(made, func(a, b listed) int { return a.after(&b) })
		for n, i := range of {
			newest[i] = made[n]
		}
	}
	return newest, older, err
}

// magic begins the object of a backup: a line with the length of the compressed outline.
const magic = "tododb backup %d\n"

// keepBackup stores a backup.
func (r *Repository) keepBackup(ctx context.Context, b *Backup) error {
	b.Format = format
	outline, err := json.Marshal(b.Outline)
	if err != nil {
		return err
	}
	details, err := json.Marshal(b.Details)
	if err != nil {
		return err
	}
	p := packings.Get().(*packing)
	defer packings.Put(p)
	outline = p.zip.EncodeAll(outline, nil)
	s, err := r.seal(append(fmt.Appendf(nil, magic, len(outline)), outline...))
	if err != nil {
		return err
	}
	if _, err := s.Write(p.zip.EncodeAll(details, nil)); err != nil {
		return errors.Join(err, s.drop())
	}
	b.Part, err = s.keep(ctx, b.backupName)
	return err
}

// readOutline reads what needs no key.
func (r *Repository) readOutline(ctx context.Context, l listed) (*Backup, error) {
	b, _, err := r.readHead(ctx, l)
	return b, err
}

// readHead also returns where the rest begins.
func (r *Repository) readHead(ctx context.Context, l listed) (b *Backup, rest int64, err error) {
	raw, err := readObject(ctx, r.storage, l.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%s: %w", l.id, ErrNoBackup)
	} else if err != nil {
		return nil, 0, err
	}
	if got := sha256.Sum256(raw); hex.EncodeToString(got[:]) != sum(l.Name) {
		return nil, 0, &DamagedError{l.Name, "its bytes are not those that were stored"}
	}
	line, err := bufio.NewReader(bytes.NewReader(raw)).ReadString('\n')
	var n int
	if _, e := fmt.Sscanf(line, magic, &n); err != nil || e != nil || n < 0 || n > len(raw)-len(line) {
		return nil, 0, &DamagedError{l.Name, "it does not begin like a backup"}
	}
	rest = int64(len(line) + n)
	outline, err := inflate(raw[len(line):rest])
	b = &Backup{Part: l.Part}
	if err == nil {
		err = json.Unmarshal(outline, &b.Outline)
	}
	switch {
	case b.Format > format:
		return nil, 0, ErrNewer
	case err != nil:
		return nil, 0, &DamagedError{l.Name, err.Error()}
	case b.ID != l.id:
		return nil, 0, &DamagedError{l.Name, "it is another backup"}
	}
	return b, rest, nil
}

// readBackup reads all of a backup.
func (r *Repository) readBackup(ctx context.Context, l listed) (*Backup, error) {
	b, rest, err := r.readHead(ctx, l)
	if err != nil {
		return nil, err
	}
	o, err := r.open(ctx, l.Name, rest)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(o.reader())
	if err = errors.Join(err, o.Close()); err == nil {
		raw, err = inflate(raw)
	}
	if err == nil {
		err = json.Unmarshal(raw, &b.Details)
	}
	if err == nil && len(b.Databases) != len(b.Chains) {
		err = errors.New("its parts do not belong together")
	}
	if err != nil {
		return nil, &DamagedError{l.Name, err.Error()}
	}
	return b, nil
}

func inflate(b []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSmall))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return dec.DecodeAll(b, nil)
}

// Wanted says which backup is meant: the newest one, one by its id or the beginning of it, or the
// newest one that is not younger than a time.
type Wanted struct {
	ID     string
	At     time.Time
	Server string // uuid, if backups of several servers are there
	// What is to be found in it, if it is not named by its id. Backups that were asked for some databases
	// are passed by if that is not among them, unless there are no others.
	What Content
}

// Content is what somebody looks for in a backup. The zero Content is anything.
type Content struct {
	Database string
	All      bool // databases
}

// matching lists the backups that are meant as far as their names tell, the oldest first.
func (r *Repository) matching(ctx context.Context, w Wanted) (found []listed, err error) {
	all, _, err := r.listBackups(ctx)
	if err != nil {
		return nil, err
	}
	servers := map[string]bool{}
	for _, one := range all {
		if w.Server != "" && one.server != r.hash(w.Server)[:8] || w.ID != "" && !strings.HasPrefix(one.id, w.ID) || !w.At.IsZero() && one.time.After(w.At) {
			continue
		}
		found = append(found, one)
		servers[one.server] = true
	}
	switch {
	case len(found) == 0:
		return nil, ErrNoBackup
	case w.ID != "" && len(found) > 1:
		return nil, fmt.Errorf("%s is the beginning of the ids of %d backups", w.ID, len(found))
	case len(servers) > 1:
		return nil, ErrServers
	}
	return found, nil
}

// find finds a backup, whatever is in it.
func (r *Repository) find(ctx context.Context, w Wanted) (l listed, err error) {
	found, err := r.matching(ctx, w)
	if err != nil {
		return l, err
	}
	return found[len(found)-1], nil
}

// Find reads a backup.
func (r *Repository) Find(ctx context.Context, w Wanted) (*Backup, error) {
	found, err := r.matching(ctx, w)
	if err != nil {
		return nil, err
	}
	newest, err := r.readBackup(ctx, found[len(found)-1])
	for b, i := newest, len(found)-1; err == nil; b, err = r.readBackup(ctx, found[i]) {
		if w.ID != "" || b.serves(w.What) {
			return b, nil
		}
		if i--; i < 0 {
			return newest, nil
		}
	}
	return nil, err
}

// serves tells whether somebody who looks for this would look into the backup.
func (b *Backup) serves(what Content) bool {
	_, err := b.Find(what.Database)
	return !b.Partial || what == Content{} || what.Database != "" && err == nil
}

// List reads the backups, the oldest first: without a key only their outlines. Damaged ones are left
// out; the error says so in the end.
func (r *Repository) List(ctx context.Context, fn func(*Backup) error) error {
	all, _, err := r.listBackups(ctx)
	if err != nil {
		return err
	}
	var damaged error
	for _, l := range all {
		read := r.readBackup
		if !r.CanRead() {
			read = r.readOutline
		}
		b, err := read(ctx, l)
		if errors.Is(err, ErrNoBackup) { // it has just been forgotten
			continue
		}
		if _, is := errors.AsType[*DamagedError](err); is {
			damaged = errors.Join(damaged, err)
			continue
		}
		if err == nil {
			err = fn(b)
		}
		if err != nil {
			return err
		}
	}
	return damaged
}

// Newest is the time of the newest backup of all databases of a server, zero if there is none.
func (r *Repository) Newest(ctx context.Context, server string) (at time.Time, err error) {
	all, _, err := r.listBackups(ctx)
	for _, l := range slices.Backward(all) {
		if l.server != r.hash(server)[:8] {
			continue
		}
		if b, err := r.readOutline(ctx, l); err == nil && !b.Partial {
			return l.time, nil
		}
	}
	return at, err
}
