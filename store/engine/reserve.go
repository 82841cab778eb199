package engine

import "context"

type reserveKey struct{}

// UseReserve says that there will be more room when what is done with the context has been done, or that it takes hardly any: an
// engine that keeps some of the disk free lets it have most of that.
func UseReserve(ctx context.Context) context.Context {
	return context.WithValue(ctx, reserveKey{}, true)
}

// UsesReserve tells whether a context says so.
func UsesReserve(ctx context.Context) bool { return ctx.Value(reserveKey{}) != nil }
