package repository

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
)

// Making says how a backup is made.
type Making struct {
	Server    string   // uuid
	Version   string   // of the server
	Databases []string // nil: all
	Settings  map[string]map[string]string
	Wait      time.Duration  // for others that use the repository
	Progress  func(Progress) // nil: nobody looks
	// Unchanged says what to do if nothing has changed since the newest backup: keep one more that
	// has the same, or none (the backup that Make returns is the newest one then).
	Unchanged Unchanged

	// Base is what to go on from, nil: the newest backups of the server. Of its databases only those
	// of Changed are asked for what is new, all if that is nil.
	Base    *Backup
	Changed map[string]bool
	// Replaces is a backup that the new one takes the place of: it is forgotten. Nil: none.
	Replaces *Backup

	inspected bool // whether all parts of earlier backups are there was looked at lately
	// Where to go on of what Base has, by the chains' keys: what came after that is brought again. It is
	// emptied if Base is not as it was.
	from   map[string]Chain
	joined bool // from counts even if there is nothing beyond Base
}

// Unchanged says what a backup is to do if there is nothing new.
type Unchanged int

const (
	KeepAnother Unchanged = iota
	KeepNone
)

// Progress is how far a backup or a restore is.
type Progress struct {
	Database  string // that it is at; "" at the end
	Done, All int    // databases
	Documents uint64 // that were moved
	Bytes     int64
}

// ErrVanished says that the content of an attachment has gone while the database was read. The next
// run reads it again.
var ErrVanished = errors.New("an attachment went away while it was backed up; the next run goes on")

// Failed says which databases a backup could not read. It has the others.
type Failed struct{ Databases map[string]error }

func (e *Failed) Error() string {
	for name, err := range e.Databases {
		if len(e.Databases) == 1 {
			return fmt.Sprintf("the backup has not, or only as of an earlier run: %s: %v", name, err)
		}
		return fmt.Sprintf("%d databases are not in the backup, or only as of an earlier run, among them %s: %v", len(e.Databases), name, err)
	}
	return "no database failed"
}

// Make makes a backup, or ends one that was cut. Of databases that are in an earlier backup only what
// has changed is moved. If some databases cannot be read, the error is *Failed, and the backup has
// the others.
func (r *Repository) Make(ctx context.Context, src backup.Source, m Making) (b *Backup, err error) {
	server := r.hash(m.Server)
	l := newLock(backing, server)
	ctx, release, err := l.take(ctx, r.storage, m.Wait)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	k := &maker{Making: m, repo: r, src: src, lock: l, server: server, began: time.Now().UTC(), noted: time.Now(), states: map[string]*Chain{}, whole: map[string]*Chain{}, unsaved: map[string]bool{}, lost: map[string]bool{}, known: newKnown(r)}
	if err := k.recall(ctx); err != nil {
		return nil, err
	}
	k.keeping = newKeeping(r.storage)
	defer k.keeping.work.Wait()
	k.packer = newPacker(r, k.known, k.keeping)
	defer func() { err = errors.Join(err, k.packer.drop()) }()
	return k.make(ctx)
}

// maker makes one backup.
type maker struct {
	Making
	repo   *Repository
	src    backup.Source
	lock   *lock
	server string
	number uint64 // of the backup
	began  time.Time
	noted  time.Time // when the run was last written down

	newest *Backup // the newest backup of this server, as far as it can be read; nil: none
	// What the repository has of databases, by the chains' keys: as far as it goes, and as a backup
	// has it or can have it.
	states, whole map[string]*Chain
	run           run
	known         *known
	keeping       *keeping
	packer        *packer
	haste         haste
	now           Progress
	stored        int64
	moved         bool // there was something new

	unsaved    map[string]bool // keys of states that no backup has
	packsKnown bool            // known has been loaded
	replaced   []string        // names of the editions of Replaces
	lost       map[string]bool // keys of chains that have lost parts
}

// recall finds what earlier runs have stored.
func (k *maker) recall(ctx context.Context) error {
	all, older, err := k.repo.listBackups(ctx)
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, l := range all {
		ids[l.id] = true
		if l.server == k.server[:8] {
			k.number = max(k.number, l.number)
		}
	}
	k.number++
	if k.Replaces != nil {
		for _, l := range slices.Concat(older, all) { // else an older edition would be the backup again
			if l.id == k.Replaces.ID {
				k.replaced = append(k.replaced, l.Name)
			}
		}
	}
	if err := k.refresh(ctx, all); err != nil {
		return err
	}
	if k.Base != nil {
		k.newest = k.Base
		for _, c := range k.Base.Chains {
			k.whole[c.Key], k.states[c.Key] = &c, &c
			if earlier, is := k.from[c.Key]; is {
				k.states[c.Key] = &earlier
			}
		}
		all = nil
	}
	id := make([]byte, 8)
	rand.Read(id)
	k.run = run{Server: k.server, ID: hex.EncodeToString(id)}
	wanted := map[string]bool{}
	for _, name := range k.Databases {
		wanted[k.repo.hash(k.Server, name)] = true
	}
	// The newest backup has all databases, unless it was made of some only.
	for n := 0; n < 20 && len(all) > 0; all = all[:len(all)-1] {
		l := all[len(all)-1]
		if l.server != k.server[:8] {
			continue
		}
		b, err := k.repo.readOutline(ctx, l)
		if _, damaged := errors.AsType[*DamagedError](err); damaged || errors.Is(err, ErrNoBackup) {
			continue // an earlier one will do, and none will too
		} else if err != nil {
			return err
		}
		n++
		if k.newest == nil {
			k.newest = b
		}
		for _, c := range b.Chains {
			if k.whole[c.Key] == nil {
				k.whole[c.Key], k.states[c.Key] = &c, &c
			}
			delete(wanted, c.Key)
		}
		if len(wanted) == 0 && k.Databases != nil {
			break
		}
		if k.Databases == nil && len(b.Chains) > 0 && !b.Partial {
			break
		}
	}
	cut, err := k.repo.readRun(ctx, k.repo.runName(k.server))
	if _, damaged := errors.AsType[*DamagedError](err); err != nil && !damaged {
		return err
	}
	if cut != nil && cut.Server == k.server && !ids[cut.ID] {
		for _, c := range cut.Chains {
			k.states[c.Key] = &c
			k.unsaved[c.Key] = true
			k.moved = true // it is in no backup yet
		}
	}
	if k.inspected && k.Base != nil {
		return nil
	}
	return k.inspect(ctx)
}

// refresh looks for the base as it is now: since it was made prune may have merged its segments, or
// somebody may have forgotten it.
func (k *maker) refresh(ctx context.Context, all []listed) error {
	if k.Base == nil {
		return nil
	}
	i := slices.IndexFunc(all, func(l listed) bool { return l.id == k.Base.ID })
	if i >= 0 && all[i].Name == k.Base.Name {
		return nil
	}
	clear(k.from)
	if i >= 0 {
		b, err := k.repo.readOutline(ctx, all[i])
		if err == nil {
			b.Details = k.Base.Details // which nobody changes, and which may need a key
			k.Base = b
			return nil
		}
		if _, damaged := errors.AsType[*DamagedError](err); !damaged {
			return err
		}
	}
	k.Base, k.Changed = nil, nil
	return nil
}

// inspect forgets the chains that have lost parts. Their databases are stored anew then: whoever went
// on from them would make backups that nobody can restore.
func (k *maker) inspect(ctx context.Context) error {
	if len(k.states) == 0 {
		return nil
	}
	sizes := map[string]int64{}
	for _, kind := range []string{segments, packs, indexes} {
		err := k.repo.storage.List(ctx, kind, func(e Entry) error {
			sizes[e.Name] = e.Size
			return nil
		})
		if err != nil {
			return err
		}
	}
	found := func(p Part) bool { size, is := sizes[p.Name]; return is && size == p.Size }
	for key := range k.states {
		if c := k.whole[key]; c != nil && !c.each(found) {
			delete(k.whole, key)
		}
		if k.states[key].each(found) {
			continue
		}
		delete(k.states, key)
		delete(k.unsaved, key)
		if c := k.whole[key]; c != nil { // only the cut run has lost something
			k.states[key] = c
		} else {
			k.lost[key] = true
		}
	}
	return nil
}

func (k *maker) make(ctx context.Context) (*Backup, error) {
	names := k.Databases
	if names == nil {
		var err error
		if names, err = k.src.Databases(ctx); err != nil {
			return nil, err
		}
	}
	b := &Backup{Outline: Outline{ID: k.run.ID, Server: k.server, Began: k.began, Partial: k.Databases != nil}}
	b.Details = Details{UUID: k.Server, Version: k.Version, Settings: k.Settings}
	failed := map[string]error{}
	var chains []*Chain
	k.now.All = len(names)
	for _, name := range names {
		if i := k.unchanged(name); i >= 0 {
			chains = append(chains, k.whole[k.Base.Chains[i].Key])
			b.Databases = append(b.Databases, k.Base.Databases[i])
			k.now.Done++
			continue
		}
		k.now.Database = name
		k.show()
		chain, found, err := k.database(ctx, name)
		if ctx.Err() != nil {
			if k.keeping.wait() != nil { // what is on its way ends with the context, too
				return nil, context.Cause(ctx)
			}
			return nil, errors.Join(context.Cause(ctx), k.note(context.WithoutCancel(ctx)))
		}
		if err != nil && k.keeping.failed() != nil {
			return nil, err
		}
		k.now.Done++
		if errors.Is(err, store.ErrNoDB) && k.Databases == nil {
			continue // it has just been deleted
		}
		if err != nil {
			failed[name] = err
			if chain == nil {
				continue
			}
			found.Failed = err.Error()
		}
		chains = append(chains, chain)
		b.Databases = append(b.Databases, found)
	}
	if err := k.flush(ctx); err != nil {
		return nil, err
	}
	k.now.Database = ""
	k.show()
	var err error
	if len(failed) > 0 {
		if err = (&Failed{failed}); len(chains) == 0 {
			return nil, err
		}
	}
	if k.newest != nil && len(k.newest.Chains) != len(chains) {
		k.moved = true // a database is there no longer
	}
	if !k.moved && k.Unchanged == KeepNone && k.newest != nil && err == nil {
		return k.newest, nil
	}
	for _, c := range chains {
		b.Chains = append(b.Chains, *c)
		if k.lost[c.Key] {
			b.Anew++
		}
	}
	b.Stored = k.stored + k.packer.stored
	b.Time, b.Number = time.Now().UTC(), k.number
	lost := context.Cause(ctx)
	if lost == nil {
		lost = k.lock.still(ctx, k.repo.storage)
	}
	if lost != nil { // prune may be at work
		return nil, lost
	}
	if err := k.repo.keepBackup(ctx, b); err != nil {
		return nil, err
	}
	return b, errors.Join(err, k.clean(ctx, b))
}

// clean removes what the backup that was just stored makes needless. What came of databases that
// are not in it stays for the next run.
func (k *maker) clean(ctx context.Context, b *Backup) (err error) {
	for _, c := range b.Chains {
		if k.whole[c.Key] == k.states[c.Key] {
			delete(k.unsaved, c.Key)
		}
	}
	if len(k.unsaved) > 0 {
		k.run.ID += "+"
		err = k.note(ctx)
	} else {
		err = k.repo.storage.Remove(ctx, k.repo.runName(k.server))
	}
	for _, name := range k.replaced {
		err = errors.Join(err, k.repo.storage.Remove(ctx, name))
	}
	return err
}

// unchanged returns the place in the base of a database that needs not be asked, -1 if it is to be.
func (k *maker) unchanged(name string) int {
	if k.Base == nil || k.Changed == nil || k.Changed[name] {
		return -1
	}
	i, err := k.Base.Find(name)
	if err != nil || k.Base.Databases[i].Failed != "" {
		return -1
	}
	if key := k.Base.Chains[i].Key; k.unsaved[key] || k.whole[key] == nil {
		return -1
	}
	return i
}

func (k *maker) show() {
	if k.Progress != nil {
		k.Progress(k.now)
	}
}

// tries is how often a database is asked again that gives nothing.
const tries = 4

// database backs up a database: it goes on from what the repository has of it. If it fails, it returns
// the chain that the repository has nevertheless, nil if none.
func (k *maker) database(ctx context.Context, name string) (*Chain, Database, error) {
	key := k.repo.hash(k.Server, name)
	d := &dump{maker: k, name: name, chain: &Chain{Key: key}}
	if have := k.states[key]; have != nil {
		d.chain = have.clone()
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 200 * time.Millisecond
	for left := tries; ; {
		moved := k.now.Bytes
		err := d.pass(ctx)
		if err == nil && d.ended {
			break
		}
		if k.now.Bytes > moved || err == nil {
			left = tries
			wait.Reset()
		}
		if err == nil { // to fetch attachments
			continue
		}
		if errors.Is(err, backup.ErrContinue) && !d.chain.Point.IsZero() {
			d.chain = &Chain{Key: key} // whole, beside what there is
			continue
		}
		left--
		if left == 0 || !worthTrying(err) || k.keeping.failed() != nil || pause(ctx, wait.NextBackOff()) != nil {
			return k.whole[key], Database{Name: name}, err
		}
	}
	d.chain.Time = time.Now().UTC()
	d.chain.Documents, d.chain.Deleted = d.end.Documents, d.end.Deleted
	k.states[key], k.whole[key] = d.chain, d.chain
	if err := k.noteNow(ctx); err != nil {
		return nil, Database{}, err
	}
	return d.chain, Database{Name: name}, nil
}

// worthTrying tells whether an error may be one of the network. A storage that is full stays so.
func worthTrying(err error) bool {
	_, broken := errors.AsType[*backup.Broken](err)
	return !broken && !unwritable(err) && !errors.Is(err, store.ErrNoDB) && !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, ErrVanished)
}

// noteNow writes down how far the run is, if it is time.
func (k *maker) noteNow(ctx context.Context) error {
	if time.Since(k.noted) < noteEvery && !k.packer.full() {
		return nil
	}
	return k.note(ctx)
}

// flush returns when all that was written is stored.
func (k *maker) flush(ctx context.Context) error {
	if err := k.packer.flush(ctx); err != nil {
		return err
	}
	return k.keeping.wait()
}

func (k *maker) note(ctx context.Context) error {
	if err := k.flush(ctx); err != nil {
		return err
	}
	k.run.Chains = k.run.Chains[:0]
	for key := range k.unsaved {
		k.run.Chains = append(k.run.Chains, *k.states[key])
	}
	k.noted = time.Now()
	return k.repo.writeRun(ctx, &k.run)
}

// dump is the backup of one database.
type dump struct {
	*maker
	name  string
	chain *Chain
	ended bool
	end   backup.End

	out     *segment              // nil: none has begun
	missing map[store.Digest]bool // attachments in out whose content is not stored
	size    int64                 // of them
}

// pass reads a stream up to its end, or until attachments are to be fetched. What it reads is on its
// way into the storage when it returns nil, and the chain says so.
func (d *dump) pass(ctx context.Context) (err error) {
	in, err := d.src.Stream(ctx, d.name, backup.Options{Since: d.chain.Point, NoContent: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	d.missing, d.size = map[store.Digest]bool{}, 0
	defer func() {
		if d.out != nil {
			err = errors.Join(err, d.out.drop())
			d.out = nil
		}
	}()
	stream := backup.NewReader(in)
	documents := false // there are some in the segment
	for {
		item, err := stream.Next()
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			if documents && worthTrying(err) && ctx.Err() == nil { // what has come is not asked for again
				err = errors.Join(err, d.keep(ctx, stream.Reached()))
			}
			return err
		}
		if item.Kind == backup.KindEnd {
			if d.end, _ = stream.End(); d.end.Point == d.chain.Point { // what came is there already
				d.ended = true
				return nil
			}
			if have := d.whole[d.chain.Key]; have != nil && have.Point == d.end.Point && !d.joined {
				d.chain, d.ended = have.clone(), true
				return nil
			}
		}
		documents = documents || item.Kind == backup.KindDocument
		if err := d.write(ctx, item); err != nil {
			return err
		}
		switch {
		case item.Kind == backup.KindEnd:
			if err := d.keep(ctx, stream.Reached()); err != nil {
				return err
			}
			d.ended = true
			return nil
		case item.Kind == backup.KindDocument && (d.out.size >= segmentSize || d.size >= attachmentSize):
			fetch := len(d.missing) > 0
			documents = false
			if err := d.keep(ctx, stream.Reached()); err != nil || fetch {
				return err // the server would not wait for us that long
			}
			if err := d.noteNow(ctx); err != nil {
				return err
			}
		}
	}
}

// write adds an item to the segment.
func (d *dump) write(ctx context.Context, item *backup.Item) (err error) {
	if d.out == nil {
		if d.out, err = d.repo.newSegment(&d.haste); err != nil {
			return err
		}
	}
	switch item.Kind {
	case backup.KindAttachment:
		a, err := item.Attachment()
		if err != nil {
			return err
		}
		if err := d.attachment(ctx, a); err != nil {
			return err
		}
	case backup.KindDocument:
		d.now.Documents++
	}
	d.now.Bytes += int64(len(item.Bytes()))
	if d.now.Documents%500 == 0 {
		d.show()
	}
	d.out.wrote(item)
	_, err = d.out.Write(item.Bytes())
	return err
}

// attachment takes in that documents have an attachment.
func (d *dump) attachment(ctx context.Context, a backup.Attachment) error {
	if d.missing[a.Digest] {
		return nil
	}
	if err := d.recallPacks(ctx); err != nil {
		return err
	}
	if !d.packer.has(d.chain, a.Digest) {
		d.missing[a.Digest] = true
		d.size += a.Length
	}
	return nil
}

// recallPacks reads, once in a run, which contents are stored.
func (k *maker) recallPacks(ctx context.Context) error {
	if k.packsKnown {
		return nil
	}
	k.packsKnown = true
	for _, c := range k.states {
		if err := k.known.load(ctx, c.Packs); err != nil {
			return err
		}
	}
	return nil
}

// keep has the segment stored, and the attachments that it needs. Then the chain reaches to the point.
func (d *dump) keep(ctx context.Context, reached store.Point) error {
	p, err := d.out.pass(ctx, d.keeping)
	d.out = nil
	if err != nil {
		return err
	}
	d.moved = true
	d.stored += p.Size
	if err := d.fetch(ctx); err != nil {
		return err
	}
	d.chain.Segments = append(d.chain.Segments, p)
	d.chain.Point = reached
	d.states[d.chain.Key] = d.chain
	d.unsaved[d.chain.Key] = true
	return nil
}

// fetchAtOnce is how many attachments one request asks for.
const fetchAtOnce = 1000

// fetch fetches the attachments that are missing.
func (d *dump) fetch(ctx context.Context) error {
	digests := make([]store.Digest, 0, len(d.missing))
	for digest := range d.missing {
		digests = append(digests, digest)
	}
	for part := range slices.Chunk(digests, fetchAtOnce) {
		if err := d.fetchSome(ctx, part); err != nil {
			return err
		}
	}
	d.missing, d.size = map[store.Digest]bool{}, 0
	return nil
}

func (d *dump) fetchSome(ctx context.Context, digests []store.Digest) (err error) {
	in, err := d.src.Contents(ctx, d.name, digests)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	stream := backup.NewReader(in)
	var present *store.Digest
	done := func() error {
		if present == nil {
			return nil
		}
		digest := *present
		present = nil
		if err := d.packer.end(d.chain, digest); err != nil {
			return err
		}
		if d.packer.full() {
			return d.packer.flush(ctx)
		}
		return nil
	}
	for {
		item, err := stream.Next()
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		d.now.Bytes += int64(len(item.Bytes()))
		switch item.Kind {
		case backup.KindAttachment:
			a, err := item.Attachment()
			if err = errors.Join(err, done()); err != nil {
				return err
			}
			if !a.Content {
				return fmt.Errorf("%s: %w", a.Digest, ErrVanished)
			}
			d.packer.begin()
			present = &a.Digest
		case backup.KindChunk:
			if err := d.packer.chunk(item.Payload); err != nil {
				return err
			}
			d.show()
		case backup.KindEnd:
			return done()
		}
	}
}
