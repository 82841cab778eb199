package main

import (
	"context"
	"sync"
)

// chores are what a server does in the background.
type chores struct {
	ctx    context.Context
	cancel context.CancelFunc
	works  sync.WaitGroup
}

func startChores(ctx context.Context) *chores {
	c := &chores{}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// run starts work that lasts until its context ends.
func (c *chores) run(work func(context.Context)) { c.works.Go(func() { work(c.ctx) }) }

// stop ends all work and waits for it.
func (c *chores) stop() {
	c.cancel()
	c.works.Wait()
}
