package store

import (
	"context"

	"github.com/tododb/tododb/store/engine"
)

// Room is memory that readers share. A context may carry one (WithRoom).
type Room interface {
	// Take waits until so many bytes may be read. They count until whoever gave the room
	// sees that they are no longer needed.
	Take(ctx context.Context, bytes int64) error
}

// largeRead is from how many bytes of bodies on a read asks for room. What is less comes
// with each reader.
const largeRead = 1 << 20

type roomKey struct{}

// WithRoom has what is read with the context ask for room when it is much.
func WithRoom(ctx context.Context, room Room) context.Context {
	return context.WithValue(ctx, roomKey{}, room)
}

// roomyReader is a snapshot whose reader shares a room.
type roomyReader struct {
	engine.Reader
	ctx  context.Context
	room Room
}

// withRoom gives a snapshot the room of its reader, if there is one.
func withRoom(ctx context.Context, r engine.Reader) engine.Reader {
	if room, ok := ctx.Value(roomKey{}).(Room); ok {
		return &roomyReader{r, ctx, room}
	}
	return r
}

// takeRoom asks for room for bodies of so many bytes. It is asked within the snapshot, where
// their size is known first.
func takeRoom(r engine.Reader, bytes int64) error {
	if rr, ok := r.(*roomyReader); ok && bytes >= largeRead {
		return rr.room.Take(rr.ctx, bytes)
	}
	return nil
}
