package wire

import (
	"context"
	"io"

	"github.com/tododb/tododb/httpapi/intake"
)

// LongAnswer is from how many bytes on a piece of an answer is not kept in memory while its
// client takes it.
const LongAnswer = 1 << 20

// readFactor is how many bytes of memory are taken to be needed for each byte of a document
// that is read: as it was stored, and as it is answered.
const readFactor = 3

// exchangeRoom is the room of what an exchange reads (store.Room): a share of the memory
// for work, until what was read has been handed on.
type exchangeRoom struct {
	x *Exchange
}

func (r exchangeRoom) Take(ctx context.Context, bytes int64) error {
	budget, x := r.x.shared.settings().Budget, r.x
	if x.share.Long(budget) {
		return nil // it reads for a write that has its share
	}
	x.share.Release() // nobody waits for a share who has one
	if want := readFactor * bytes; x.room.Bytes() < want {
		x.room.Release()
		var err error
		x.room, err = budget.Work(ctx, max(want, intake.ShortWork+1))
		return err
	}
	return nil
}

// HandOn sends bytes that are long by way of a file, so that their memory is free while the
// client takes them.
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
