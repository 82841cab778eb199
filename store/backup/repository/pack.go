package repository

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/tododb/tododb/store"
)

// Pack is an object with the contents of attachments, one behind the other, each as the chunks that
// the store has of it: uvarint length, chunk record. They are compressed already where that pays.
// Its index says what is in it.
type Pack struct {
	Pack  Part `json:"pack,omitzero"` // no name: the index has names only, of contents in other packs
	Index Part `json:"index"`
}

// packSize is how large a pack becomes before another one begins.
const packSize = 64 << 20

// An index begins with a line that says how many contents and names it has. Then come, not
// encrypted, the hashes of the contents (16 bytes each), and the names: hashes of a database
// and a digest (16), with the hash of the content (16). Then, sealed, where in the pack each content
// is: uvarint offset, uvarint length.
const (
	indexes    = "index/"
	indexMagic = "tododb index 1 %d %d\n"
)

// key is the salted hash of a content or a name.
type key [16]byte

func (r *Repository) keyOf(parts ...string) key {
	h := r.hashBytes(parts...)
	return key(h[:16])
}

// attachmentKey names an attachment of a database. It has the database in it because a digest is an
// MD5: whoever can write to one database must not be able to choose what another one gets back.
func (r *Repository) attachmentKey(chain string, d store.Digest) key {
	return r.keyOf("name", chain, string(d[:]))
}

type place struct{ offset, length uint64 }

// index is what a pack holds.
type index struct {
	contents []key
	names    []named
	places   []place // of contents; nil if they were not read
}

type named struct{ name, content key }

func (r *Repository) passIndex(ctx context.Context, to *keeping, x *index) (Part, error) {
	head := fmt.Appendf(nil, indexMagic, len(x.contents), len(x.names))
	for _, k := range x.contents {
		head = append(head, k[:]...)
	}
	for _, n := range x.names {
		head = append(append(head, n.name[:]...), n.content[:]...)
	}
	s, err := r.seal(head)
	if err != nil {
		return Part{}, err
	}
	var b []byte
	for _, p := range x.places {
		b = binary.AppendUvarint(binary.AppendUvarint(b, p.offset), p.length)
	}
	if _, err := s.Write(b); err != nil {
		return Part{}, errors.Join(err, s.drop())
	}
	return s.pass(ctx, to, func(sum string) string { return partName(indexes, sum) })
}

// readIndex reads an index, with the places if it is told so.
func (r *Repository) readIndex(ctx context.Context, p Part, places bool) (*index, error) {
	if err := r.verify(ctx, p); err != nil {
		return nil, err
	}
	raw, err := readObject(ctx, r.storage, p.Name)
	if err != nil {
		return nil, err
	}
	var contents, names int
	_, err = fmt.Sscanf(string(raw[:min(len(raw), 80)]), indexMagic, &contents, &names)
	line := slices.Index(raw, '\n') + 1
	if err != nil || line == 0 || contents < 0 || names < 0 || contents > len(raw)/16 || names > len(raw)/32 || len(raw)-line < 16*contents+32*names {
		return nil, &DamagedError{p.Name, "it does not begin like an index"}
	}
	x := &index{contents: make([]key, contents), names: make([]named, names)}
	rest := raw[line:]
	for i := range x.contents {
		rest = rest[copy(x.contents[i][:], rest):]
	}
	for i := range x.names {
		rest = rest[copy(x.names[i].name[:], rest):]
		rest = rest[copy(x.names[i].content[:], rest):]
	}
	if !places {
		return x, nil
	}
	o, err := r.open(ctx, p.Name, int64(len(raw)-len(rest)))
	if err != nil {
		return nil, err
	}
	rest, err = io.ReadAll(o.reader())
	if err = errors.Join(err, o.Close()); err != nil {
		return nil, &DamagedError{p.Name, err.Error()}
	}
	x.places = make([]place, contents)
	for i := range x.places {
		for _, v := range []*uint64{&x.places[i].offset, &x.places[i].length} {
			n := 0
			if *v, n = binary.Uvarint(rest); n <= 0 {
				return nil, &DamagedError{p.Name, "it says of a content not where it is"}
			}
			rest = rest[n:]
		}
	}
	return x, nil
}

// known is which contents are in a repository, for a run that adds to them.
type known struct {
	repo     *Repository
	loaded   map[string]bool // names of indexes
	packs    []Pack
	contents map[key]int // the place of the pack
	names    map[key]named2
}

// named2 is the content that a name means, and the place of the pack whose index says so.
type named2 struct {
	content key
	pack    int
}

func newKnown(r *Repository) *known {
	return &known{repo: r, loaded: map[string]bool{}, contents: map[key]int{}, names: map[key]named2{}}
}

// load takes in what packs hold. Those that it has it does not read again.
func (n *known) load(ctx context.Context, packs []Pack) error {
	for _, p := range packs {
		if n.loaded[p.Index.Name] {
			continue
		}
		x, err := n.repo.readIndex(ctx, p.Index, false)
		if err != nil {
			return err
		}
		n.add(p, x)
	}
	return nil
}

func (n *known) add(p Pack, x *index) {
	n.loaded[p.Index.Name] = true
	at := len(n.packs)
	n.packs = append(n.packs, p)
	for _, c := range x.contents {
		n.contents[c] = at
	}
	for _, one := range x.names {
		n.names[one.name] = named2{one.content, at}
	}
}

// packer writes packs.
type packer struct {
	repo    *Repository
	known   *known
	keeping *keeping
	index   index
	sealed  *sealed      // nil: no content yet
	at      uint64       // bytes in the pack
	pending map[key]bool // contents of the present pack
	waiting []*Chain     // chains with attachments in the present pack
	stored  int64        // bytes of all packs and indexes

	// The content that is being written. It waits in held as long as it is small, because it may
	// turn out to be stored already.
	hash  hash.Hash
	held  []byte
	began uint64
}

// holdSize is how much of a content waits.
const holdSize = 4 << 20

func newPacker(r *Repository, n *known, to *keeping) *packer {
	return &packer{repo: r, known: n, keeping: to, pending: map[key]bool{}, hash: sha256.New()}
}

// has tells whether a chain can have an attachment without its content coming again. If so, the
// chain names the packs that it needs.
func (p *packer) has(c *Chain, d store.Digest) bool {
	name := p.repo.attachmentKey(c.Key, d)
	n, is := p.known.names[name]
	if !is {
		return false
	}
	at, is := p.known.contents[n.content]
	if !is {
		return false
	}
	c.add(p.known.packs[n.pack])
	c.add(p.known.packs[at])
	return true
}

func (c *Chain) add(p Pack) {
	if !slices.ContainsFunc(c.Packs, func(q Pack) bool { return q.Index.Name == p.Index.Name }) {
		c.Packs = append(c.Packs, p)
	}
}

// begin begins a content.
func (p *packer) begin() {
	p.hash.Reset()
	p.held, p.began = p.held[:0], p.at
}

// chunk adds a chunk of it.
func (p *packer) chunk(b []byte) error {
	from := len(p.held)
	p.held = append(binary.AppendUvarint(p.held, uint64(len(b))), b...)
	p.hash.Write(p.held[from:])
	if len(p.held) > holdSize {
		return p.write()
	}
	return nil
}

// write puts what waits into the pack.
func (p *packer) write() (err error) {
	if p.sealed == nil {
		if p.sealed, err = p.repo.seal(nil); err != nil {
			return err
		}
	}
	n, err := p.sealed.Write(p.held)
	p.at += uint64(n)
	p.held = p.held[:0]
	if err != nil {
		return fmt.Errorf("store an attachment: %w", err)
	}
	return nil
}

// end ends it. Of a content that is stored already only the name is kept. A large one is then in
// the pack in vain, until prune writes the pack again.
func (p *packer) end(c *Chain, d store.Digest) error {
	content := p.repo.keyOf("content", string(p.hash.Sum(nil)))
	at, stored := p.known.contents[content]
	if stored {
		c.add(p.known.packs[at])
	} else if !p.pending[content] {
		if err := p.write(); err != nil {
			return err
		}
		p.pending[content] = true
		p.index.contents = append(p.index.contents, content)
		p.index.places = append(p.index.places, place{p.began, p.at - p.began})
	}
	p.index.names = append(p.index.names, named{p.repo.attachmentKey(c.Key, d), content})
	if !slices.Contains(p.waiting, c) {
		p.waiting = append(p.waiting, c)
	}
	return nil
}

// full tells whether the pack has its size.
func (p *packer) full() bool { return p.at >= packSize }

// flush has the pack and its index stored, and the chains that need them name them.
func (p *packer) flush(ctx context.Context) error {
	if len(p.index.names) == 0 {
		return nil
	}
	var pack Pack
	var err error
	if s := p.sealed; len(p.index.contents) > 0 {
		p.sealed = nil
		pack.Pack, err = s.pass(ctx, p.keeping, func(sum string) string { return partName(packs, sum) })
	} else {
		err = p.drop()
	}
	if err != nil {
		return err
	}
	if pack.Index, err = p.repo.passIndex(ctx, p.keeping, &p.index); err != nil {
		return err
	}
	p.known.add(pack, &p.index)
	for _, c := range p.waiting {
		c.add(pack)
	}
	p.stored += pack.Pack.Size + pack.Index.Size
	p.index, p.at, p.waiting = index{}, 0, nil
	clear(p.pending)
	return nil
}

// drop ends a packer whose last pack is not needed.
func (p *packer) drop() error {
	if p.sealed == nil {
		return nil
	}
	s := p.sealed
	p.sealed = nil
	return s.drop()
}
