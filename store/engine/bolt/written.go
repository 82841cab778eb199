package bolt

import (
	"bytes"

	"go.etcd.io/bbolt"
)

// written walks a space that the transaction has written to. Leaves that deletions have emptied
// stay until the commit. bbolt.Cursor, going back, takes such a leaf for the beginning, and
// never ends its search for the last entry if all leaves are empty.
type written struct {
	*bbolt.Cursor
	at    []byte // the key of this place
	begin []byte // the first key, once it was asked for
}

func (c *written) to(k, v []byte) ([]byte, []byte) {
	c.at = k
	return k, v
}

func (c *written) First() (k, v []byte)         { return c.to(c.Cursor.First()) }
func (c *written) Seek(to []byte) (k, v []byte) { return c.to(c.Cursor.Seek(to)) }
func (c *written) Next() (k, v []byte)          { return c.to(c.Cursor.Next()) }

func (c *written) Last() (k, v []byte) {
	if k, _ := c.Cursor.First(); k == nil {
		return c.to(nil, nil)
	}
	return c.to(c.Cursor.Last())
}

func (c *written) Prev() (k, v []byte) {
	for c.at != nil {
		if k, v := c.Cursor.Prev(); k != nil {
			return c.to(k, v)
		}
		if c.begin == nil {
			c.begin, _ = c.Bucket().Cursor().First()
		}
		if bytes.Compare(c.at, c.begin) <= 0 {
			c.at = nil
		}
	}
	return nil, nil
}
