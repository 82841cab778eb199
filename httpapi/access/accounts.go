package access

import (
	"context"
	"errors"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
)

// maxAccounts is how many users are remembered.
const maxAccounts = 10_000

// accounts reads users from _users and remembers them. Before each lookup it asks the database
// whether it has changed, which costs no read, and if so, which documents. So every change
// counts for the next request. Where other processes write to the database as well, it reads which
// revision the user's document has, and remembers only what is in it.
type accounts struct {
	a *Access

	byName *lru.Cache[string, *knownAccount] // where the process is alone, added to only with mu held

	mu    sync.RWMutex // guards what follows
	epoch string       // of the database when seen was found to be of its history
	seen  store.Seq    // changes up to here have been seen
}

// knownAccount is what was found for a name; a nil account stands for nobody. It never changes.
// A stale one is read again, and keeps its account if nothing important has changed.
type knownAccount struct {
	account *auth.Account
	stale   bool
	// Where processes share the database: what was read.
	instance string
	rev      revtree.Rev
	conflict bool
}

func newAccounts(a *Access) *accounts {
	c := &accounts{a: a}
	c.byName, _ = lru.New[string, *knownAccount](maxAccounts) // it fails only for a size below 1
	return c
}

// Account finds a user by name; nil if there is none.
func (c *accounts) Account(ctx context.Context, name string) (*auth.Account, error) {
	db, err := c.a.store.Bare(ctx, c.a.settings().usersDB, store.ForAccounts)
	if errors.Is(err, store.ErrNoDB) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer db.Release()
	if c.a.store.Shared() {
		found, err := c.shared(ctx, db, name)
		if errors.Is(err, store.ErrNoDB) && ctx.Err() == nil { // another process has dropped it, and may have made it again
			return c.Account(ctx, name)
		}
		return found, err
	}
	for {
		if err := c.follow(ctx, db); err != nil {
			return nil, err
		}
		c.mu.RLock()
		known, _ := c.byName.Get(name)
		epoch, seen := c.epoch, c.seen
		var was *auth.Account
		if known != nil {
			was = known.account
		}
		fresh := known != nil && !known.stale
		c.mu.RUnlock()
		if epoch != db.Epoch() { // another handle, of another state of the files
			continue
		}
		if fresh {
			return was, nil
		}
		found, err := c.read(ctx, db, name)
		if err != nil {
			return nil, err
		}
		if found != nil && was != nil && found.Same(was) {
			found = was
		}
		if c.remember(name, found, seen, epoch) {
			return found, nil
		}
	}
}

// shared finds a user by what the document is now.
func (c *accounts) shared(ctx context.Context, db store.Bare, name string) (*auth.Account, error) {
	doc, err := db.Get(ctx, auth.UserPrefix+name, store.ReadOptions{Conflicts: true, NoBody: true})
	if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now := knownAccount{instance: db.Instance(), rev: doc.Rev, conflict: len(doc.Conflicts) > 0}
	known, _ := c.byName.Get(name)
	if known != nil && known.instance == now.instance && known.rev == now.rev && known.conflict == now.conflict {
		return known.account, nil
	}
	found, err := c.read(ctx, db, name)
	if err != nil {
		return nil, err
	}
	if known != nil && known.account != nil && found != nil && found.Same(known.account) {
		found = known.account
	}
	// If the document has changed in between, this is newer than its revision says, and is read once more.
	now.account = found
	c.byName.Add(name, &now)
	return found, nil
}

// remember keeps what was found. It returns false if the database has changed since.
func (c *accounts) remember(name string, found *auth.Account, seen store.Seq, epoch string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen != seen || c.epoch != epoch {
		return false
	}
	c.byName.Add(name, &knownAccount{account: found})
	return true
}

// follow takes changes into account. If the database has become another one, or was put back to a
// state that it was in before, nothing of what is remembered counts.
func (c *accounts) follow(ctx context.Context, db store.Bare) error {
	for {
		c.mu.RLock()
		epoch, seen := c.epoch, c.seen
		c.mu.RUnlock()
		now := db.Epoch()
		if epoch == now {
			select {
			case <-db.Changed(seen.N):
			default:
				return nil
			}
		}
		common, err := db.Common(ctx, seen)
		if err != nil {
			return err
		}
		same := common == seen.N && epoch != ""
		newest, err := db.UpdateSeq(ctx)
		if err != nil {
			return err
		}
		var changed []string
		if same {
			q := store.ChangesQuery{Since: seen.N, To: newest, Limit: -1}
			_, err := db.Changes(ctx, q, func(ch *store.Change) error {
				changed = append(changed, strings.TrimPrefix(string(ch.ID), auth.UserPrefix))
				return nil
			}, func() error { return nil })
			if err != nil {
				return err
			}
		}
		c.mu.Lock()
		if c.epoch == epoch && c.seen == seen { // otherwise somebody else was faster
			if !same {
				c.byName.Purge()
			}
			for _, name := range changed {
				if known, there := c.byName.Peek(name); there {
					c.byName.Add(name, &knownAccount{account: known.account, stale: true})
				}
			}
			c.epoch, c.seen = now, db.Seq(newest)
		}
		c.mu.Unlock()
	}
}

// read reads a user's document; nil if nobody can log in with it.
func (c *accounts) read(ctx context.Context, db store.Bare, name string) (*auth.Account, error) {
	doc, err := db.Get(ctx, auth.UserPrefix+name, store.ReadOptions{Conflicts: true})
	if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	account, err := auth.ParseAccount(doc.Body)
	if err != nil || account.User.Name != name {
		return nil, nil
	}
	if account.InConflict = len(doc.Conflicts) > 0; account.InConflict {
		c.a.log.WarnContext(ctx, "a user cannot log in: the document has conflicts", "user", name)
	}
	return account, nil
}

// Rehash stores a password in the way that new ones are stored.
func (c *accounts) Rehash(ctx context.Context, a *auth.Account, password string) (*auth.Account, error) {
	db, err := c.a.store.Bare(ctx, c.a.settings().usersDB, store.ForAccounts)
	if err != nil {
		return nil, err
	}
	defer db.Release()
	doc, err := db.Get(ctx, auth.UserPrefix+a.User.Name, store.ReadOptions{})
	if err != nil {
		return nil, err
	}
	if now, err := auth.ParseAccount(doc.Body); err != nil || !now.Same(a) {
		return nil, nil // password or roles have already changed
	}
	body, err := c.a.auth.HashAgain(ctx, doc.Body, a, password)
	if err != nil {
		return nil, err
	}
	edit := store.Edit{Attachments: attachments.Kept(doc, "")}
	if err := edit.Doc.SetBody(body); err != nil {
		return nil, err
	}
	edit.Doc.ID, edit.Doc.HasID, edit.Doc.Rev, edit.Doc.HasRev = doc.ID, true, doc.Rev, true
	_, err = db.Put(ctx, edit, store.WriteOptions{})
	if err != nil {
		return nil, err
	}
	return auth.ParseAccount(body)
}
