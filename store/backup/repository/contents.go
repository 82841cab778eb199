package repository

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tododb/tododb/store"
)

// contents reads the contents of the attachments of databases.
type contents struct {
	repo   *Repository
	loaded map[string]bool
	names  map[key]key
	places map[key]placed
	open   *lru.Cache[string, *opened] // packs
}

type placed struct {
	pack string
	place
}

// openPacks is how many packs are kept open. Of an object store each is a file here.
const openPacks = 4

func newContents(r *Repository) (*contents, error) {
	c := &contents{repo: r, loaded: map[string]bool{}, names: map[key]key{}, places: map[key]placed{}}
	var err error
	c.open, err = lru.NewWithEvict(openPacks, func(_ string, o *opened) { o.Close() })
	return c, err
}

// load takes in the indexes of packs.
func (c *contents) load(ctx context.Context, packs []Pack) error {
	for _, p := range packs {
		if c.loaded[p.Index.Name] {
			continue
		}
		x, err := c.repo.readIndex(ctx, p.Index, true)
		if err != nil {
			return err
		}
		for i, content := range x.contents {
			c.places[content] = placed{p.Pack.Name, x.places[i]}
		}
		for _, n := range x.names {
			c.names[n.name] = n.content
		}
		c.loaded[p.Index.Name] = true
	}
	return nil
}

// find tells where the content of an attachment is.
func (c *contents) find(chain string, d store.Digest) (p placed, ok bool) {
	content, ok := c.names[c.repo.attachmentKey(chain, d)]
	if ok {
		p, ok = c.places[content]
	}
	return p, ok
}

// chunks calls fn for every chunk of an attachment.
func (c *contents) chunks(ctx context.Context, chain string, d store.Digest, fn func(chunk []byte) error) error {
	p, ok := c.find(chain, d)
	if !ok {
		return &MissingError{"the content of attachment " + d.String()}
	}
	o, err := c.pack(ctx, p.pack)
	if err != nil {
		return err
	}
	if p.offset > uint64(o.size) || p.length > uint64(o.size)-p.offset {
		return &DamagedError{p.pack, "it ends before a content that its index has"}
	}
	return eachChunk(ctx, io.NewSectionReader(o.plain, int64(p.offset), int64(p.length)), func(chunk []byte) error {
		return fn(chunk)
	}, p.pack)
}

func (c *contents) pack(ctx context.Context, name string) (*opened, error) {
	if o, is := c.open.Get(name); is {
		return o, nil
	}
	o, err := c.repo.open(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	if err := o.check(ctx, name); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	c.open.Add(name, o)
	return o, nil
}

func (c *contents) close() { c.open.Purge() }

// maxChunk is longer than any chunk of the store.
const maxChunk = 2 * store.ChunkSize

// eachChunk reads the chunks of a content.
func eachChunk(ctx context.Context, in io.Reader, fn func([]byte) error, pack string) error {
	r := bufio.NewReaderSize(in, maxChunk)
	buf := make([]byte, 0, maxChunk)
	for {
		n, err := binary.ReadUvarint(r)
		if err == io.EOF {
			return ctx.Err()
		}
		if err == nil && n > maxChunk {
			err = fmt.Errorf("it has a chunk of %d bytes", n)
		}
		if err == nil {
			buf = buf[:n]
			_, err = io.ReadFull(r, buf)
		}
		if err != nil {
			return &DamagedError{pack, err.Error()}
		}
		if err := errors.Join(fn(buf), ctx.Err()); err != nil {
			return err
		}
	}
}
