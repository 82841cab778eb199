package anykey

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// CheckStorage checks the engine's storage, and then that every link leads to a node and every
// node has a link.
func (d *database) CheckStorage(ctx context.Context, report func(problem string)) error {
	if c, ok := d.DB.(engine.Checker); ok {
		if err := c.CheckStorage(ctx, report); err != nil {
			return err
		}
	}
	return d.DB.View(ctx, func(r engine.Reader) error {
		c := checker{r: r, layout: d.layout, report: func(format string, args ...any) { report(fmt.Sprintf(format, args...)) }}
		return c.run()
	})
}

type checker struct {
	r      engine.Reader
	layout *layout
	report func(format string, args ...any)

	links int // that lead to a node
	nodes int
}

func (c *checker) run() error {
	for s := engine.Space(1); s < deep; s++ {
		err := c.r.Scan(s, engine.Range{KeysOnly: true}, func(k, _ []byte) (bool, error) {
			return true, c.key(s, nil, k)
		})
		if err != nil {
			return err
		}
	}
	var last []byte // the node before
	err := c.r.Scan(deep, engine.Range{KeysOnly: true}, func(k, _ []byte) (bool, error) {
		if len(k) <= nodeSize {
			c.report("a key of %d bytes among the long ones", len(k))
			return true, nil
		}
		if node := k[:nodeSize]; !bytes.Equal(node, last) {
			c.nodes++
			last = bytes.Clone(node)
		}
		return true, c.key(engine.Space(k[0]), k[:nodeSize], k)
	})
	// Two links never lead to one node, so equal numbers say that each node has its own.
	if err == nil && c.links != c.nodes {
		c.report("%d links lead to the parts of long keys, which are %d", c.links, c.nodes)
	}
	return err
}

// key checks a key of the engine in a space or a node.
func (c *checker) key(s engine.Space, node, k []byte) error {
	switch {
	case len(k) <= c.layout.short:
		return nil
	case !c.layout.isLink(k):
		c.report("a key of %d bytes in space %d", len(k), s)
		return nil
	}
	chunk := k[len(node) : len(k)-1]
	to := nodeAfter(s, node, chunk)
	found := false
	err := c.r.Scan(deep, engine.Range{From: to, To: after(to), Limit: 1, KeysOnly: true}, func(_, _ []byte) (bool, error) {
		found = true
		return false, nil
	})
	if found {
		c.links++
	} else if err == nil {
		c.report("nothing is behind the link at %.100q in space %d", chunk, s)
	}
	return err
}
