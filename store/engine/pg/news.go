package pg

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// news tells other processes of this one's commits, and hears of theirs. It is for speed: a notification
// may be lost, and everything is found by asking as well.
//
// Notifications are sent in a transaction of their own, and merged. In the writing transaction they
// would take a lock of the whole server from there to the end of the commit.
type news struct {
	eng     *Engine
	channel string
	origin  string // tells this process's notifications from others'

	mu       sync.Mutex     // guards what follows
	changed  map[int64]bool // not told yet
	last     time.Time      // when others were told
	awaited  chan struct{}  // closed when somebody watches: it is listened and asked from then on
	listens  bool
	deaf     bool                 // there is no listening, or nothing is heard
	sent     map[string]time.Time // own notifications that are to be heard, and when they were sent
	sentNext int

	tell chan struct{}
}

const (
	tellEvery   = 10 * time.Millisecond
	payloadMost = 7900 // bytes
	// hearWithin is how long an own notification takes at most to come back.
	hearWithin = 5 * time.Second
	// listenAgain is how long after an error listening is tried again.
	listenAgain = 2 * time.Second
	// tellLimit is how long telling may take; the others find out by themselves.
	tellLimit = 2 * time.Second
)

func newNews(e *Engine, installation string) *news {
	return &news{eng: e, channel: "td_" + strings.ReplaceAll(installation, "-", ""), origin: newInstance()[:12],
		changed: map[int64]bool{}, sent: map[string]time.Time{}, awaited: make(chan struct{}), tell: make(chan struct{}, 1)}
}

// committed notes a commit of this process.
func (n *news) committed(d *database) {
	d.wake()
	if d.parent != noParent {
		return // nobody else watches it
	}
	n.mu.Lock()
	n.changed[d.id] = true
	n.mu.Unlock()
	select {
	case n.tell <- struct{}{}:
	default:
	}
}

// watched notes that there is somebody to wake.
func (n *news) watched() {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.awaited:
	default:
		close(n.awaited)
	}
}

// runTelling sends what is to be told until ctx ends.
func (n *news) runTelling(ctx context.Context) {
	for {
		select {
		case <-n.tell:
		case <-ctx.Done():
			return
		}
		n.mu.Lock()
		wait := tellEvery - time.Since(n.last)
		n.mu.Unlock()
		if wait > 0 && !sleep(ctx, wait) {
			return
		}
		n.mu.Lock()
		ids := make([]int64, 0, len(n.changed))
		for id := range n.changed {
			ids = append(ids, id)
		}
		clear(n.changed)
		n.last = time.Now()
		n.mu.Unlock()
		if err := n.send(ctx, ids); err != nil && ctx.Err() == nil {
			n.eng.opt.Logger.Debug("cannot tell other processes of changes", "error", err)
		}
	}
}

// send tells of databases. The commit need not reach the disk.
func (n *news) send(ctx context.Context, ids []int64) error {
	slices.Sort(ids)
	queries := []query{{sql: "begin"}, {sql: "set local synchronous_commit = off"}}
	for len(ids) > 0 {
		b := []byte(n.mark())
		for len(ids) > 0 && len(b) < payloadMost {
			b = strconv.AppendInt(append(b, ' '), ids[0], 10)
			ids = ids[1:]
		}
		queries = append(queries, query{sql: "select pg_notify($1, $2)", args: []any{n.channel, string(b)}})
	}
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	_, err := n.eng.one(ctx, n.eng.readers, nil, append(queries, query{sql: "commit"})...)
	return err
}

// mark is what a notification begins with. Those of this process are to come back to it: behind a pooler,
// listening may succeed without anything ever being heard.
func (n *news) mark() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sentNext++
	mark := n.origin + "." + strconv.Itoa(n.sentNext)
	if !n.listens {
		return mark
	}
	for _, at := range n.sent {
		if time.Since(at) > hearWithin {
			n.deaf = true
			clear(n.sent)
			break
		}
	}
	if len(n.sent) < 100 {
		n.sent[mark] = time.Now()
	}
	return mark
}

// runPolling asks for changes until ctx ends.
func (n *news) runPolling(ctx context.Context) {
	select {
	case <-n.awaited:
	case <-ctx.Done():
		return
	}
	for {
		if err := n.eng.poll(ctx); err != nil && ctx.Err() == nil {
			n.eng.opt.Logger.Debug("cannot ask for changes of other processes", "error", err)
		}
		n.mu.Lock()
		every := pollEvery
		if n.deaf {
			every = pollDeafEvery
		}
		n.mu.Unlock()
		if !sleep(ctx, every) {
			return
		}
	}
}

// runListening listens until ctx ends.
func (n *news) runListening(ctx context.Context) {
	select {
	case <-n.awaited:
	case <-ctx.Done():
		return
	}
	for {
		err := n.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		n.setListens(false)
		n.eng.opt.Logger.Debug("cannot listen for changes of other processes", "error", err)
		if !sleep(ctx, listenAgain) {
			return
		}
	}
}

func (n *news) setListens(listens bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listens, n.deaf = listens, !listens
	clear(n.sent)
}

// listen listens on a connection of its own, until that ends.
func (n *news) listen(ctx context.Context) error {
	cfg, err := parse(n.eng.opt.ListenURL)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, "listen "+n.channel, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	n.setListens(true)
	if err := n.eng.poll(ctx); err != nil { // what was missed before
		return err
	}
	for {
		// A connection that says nothing may be dead.
		wait, cancel := context.WithTimeout(ctx, listenCheck)
		note, err := conn.WaitForNotification(wait)
		cancel()
		switch {
		case err == nil:
			n.hear(note.Payload)
			continue
		case ctx.Err() != nil || !errors.Is(wait.Err(), context.DeadlineExceeded):
			return err
		}
		return errors.New("nothing was heard for long")
	}
}

// listenCheck is how long a listener believes in silence. Then it connects anew.
const listenCheck = 5 * time.Minute

// hear takes in a notification.
func (n *news) hear(payload string) {
	mark, rest, _ := strings.Cut(payload, " ")
	if strings.HasPrefix(mark, n.origin) {
		n.mu.Lock()
		at, is := n.sent[mark]
		delete(n.sent, mark)
		n.deaf = false
		n.mu.Unlock()
		if is {
			n.eng.figures.heard(time.Since(at))
		}
		return
	}
	for _, s := range strings.Fields(rest) {
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			continue
		}
		n.eng.mu.Lock()
		d := n.eng.open[id]
		n.eng.mu.Unlock()
		if d != nil {
			d.wake()
		}
	}
}

// sleep waits, and reports whether ctx is still good.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
