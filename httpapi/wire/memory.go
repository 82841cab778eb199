package wire

import (
	"context"
	"io"

	"github.com/tododb/tododb/httpapi/intake"
)

// LongAnswer is the size from which a piece of an answer is not kept in memory while its
// client takes it.
const LongAnswer = 1 << 20

// readFactor is how many bytes of memory each byte of a document is assumed to need when it is
// read: as stored, and as answered.
const readFactor = 3

// exchangeRoom is the store.Room of an exchange. It holds a share of the memory for work until
// what was read has been passed on.
type exchangeRoom struct {
	x *Exchange
}

func (r exchangeRoom) Take(ctx context.Context, bytes int64) error {
	budget, x := r.x.shared.settings().Budget, r.x
	if x.share.Long(budget) {
		return nil // it reads for a write that has a share
	}
	x.share.Release() // nobody may wait for a share while holding one
	if want := readFactor * bytes; x.room.Bytes() < want {
		x.room.Release()
		var err error
		x.room, err = budget.Work(ctx, max(want, intake.ShortWork+1))
		return err
	}
	return nil
}

// HandOn sends many bytes by way of a file, so their memory is free while the client takes
// them.
func (x *Exchange) HandOn(to io.Writer, bytes *[]byte) error {
	file, err := x.shared.opt.Spool.Create()
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(*bytes); err != nil {
		return err
	}
	*bytes = nil
	x.room.Release()
	_, err = io.Copy(to, io.NewSectionReader(file, 0, file.Size()))
	return err
}

// EndReading gives back the memory for what was read, once all of it has been passed on.
func (x *Exchange) EndReading() { x.room.Release() }
