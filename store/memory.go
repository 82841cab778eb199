package store

import (
	"context"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// Room is memory that readers share. A context may carry one (WithRoom).
type Room interface {
	// Take waits until this many bytes may be read. They count until the owner of the room
	// sees that they are no longer needed.
	Take(ctx context.Context, bytes int64) error
}

// largeRead is the size of bodies from which a read asks for room. Smaller reads need none.
const largeRead = 1 << 20

// RoomKey is the key under which a context has the Room that large reads with it ask first.
type RoomKey struct{}

// WithRoom makes large reads with the context ask room first.
func WithRoom(ctx context.Context, room Room) context.Context {
	return context.WithValue(ctx, RoomKey{}, room)
}

// roomyReader is a snapshot whose reader shares a room.
type roomyReader struct {
	engine.Reader
	ctx  context.Context
	room Room
}

// withRoom gives a snapshot the room of its reader, if there is one.
func withRoom(ctx context.Context, r engine.Reader) engine.Reader {
	if room, ok := ctx.Value(RoomKey{}).(Room); ok {
		return &roomyReader{r, ctx, room}
	}
	return r
}

// viewing is one use of a snapshot.
type viewing struct {
	reader roomyReader // for the time of the snapshot
	fn     func(engine.Reader) error
	run    func(engine.Reader) error // read, made once
}

// viewings are kept: every request makes some.
var viewings = sync.Pool{New: func() any {
	v := &viewing{}
	v.run = v.read
	return v
}}

func (v *viewing) read(r engine.Reader) error {
	if v.reader.room == nil {
		return v.fn(r)
	}
	v.reader.Reader = r
	return v.fn(&v.reader)
}

// viewRoomy runs fn on a snapshot that has the room of its reader.
func (db *DB) viewRoomy(ctx context.Context, fn func(engine.Reader) error) error {
	v := viewings.Get().(*viewing)
	room, _ := ctx.Value(RoomKey{}).(Room)
	v.fn, v.reader = fn, roomyReader{ctx: ctx, room: room}
	err := db.edb.View(ctx, v.run)
	v.fn, v.reader = nil, roomyReader{}
	viewings.Put(v)
	return err
}

// takeRoom asks for room for bodies of a given size. It asks within the snapshot, where their
// size first becomes known.
func takeRoom(r engine.Reader, bytes int64) error {
	if rr, ok := r.(*roomyReader); ok && bytes >= largeRead {
		return rr.room.Take(rr.ctx, bytes)
	}
	return nil
}
