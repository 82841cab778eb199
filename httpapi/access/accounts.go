package access

import (
	"context"
	"errors"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/store"
)

// maxAccounts bounds the users that are remembered.
const maxAccounts = 10_000

// accounts reads users from _users and remembers them. Before each look it asks the
// database whether it has moved on, which costs no read, and if it has, which documents
// have changed: so a change counts for the next request, whoever has made it.
type accounts struct {
	a *Access

	byName *lru.Cache[string, *knownAccount] // what is put there is put with mu held

	mu       sync.RWMutex // guards what follows
	instance string       // of the database that the rest is about
	seen     uint64       // changes up to here have been heeded
}

// knownAccount is what was found for a name, nil for nobody; it does not change. A stale
// one is read again; if nothing that counts has changed its account goes on.
type knownAccount struct {
	account *auth.Account
	stale   bool
}

func newAccounts(a *Access) *accounts {
	c := &accounts{a: a}
	c.byName, _ = lru.New[string, *knownAccount](maxAccounts) // it fails for a size of none
	return c
}

// Account finds a user by name; nil if there is none.
func (c *accounts) Account(ctx context.Context, name string) (*auth.Account, error) {
	db, err := c.a.store.Bare(ctx, UsersDB, store.ForAccounts)
	if errors.Is(err, store.ErrNoDB) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer db.Release()
	if err := c.follow(ctx, db); err != nil {
		return nil, err
	}
	for {
		c.mu.RLock()
		known, _ := c.byName.Get(name)
		seen := c.seen
		var was *auth.Account
		if known != nil {
			was = known.account
		}
		fresh := known != nil && !known.stale
		c.mu.RUnlock()
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
		if c.remember(name, found, seen, db.Instance()) {
			return found, nil
		}
	}
}

// remember keeps what was found; false if the database has moved on meanwhile.
func (c *accounts) remember(name string, found *auth.Account, seen uint64, instance string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen != seen || c.instance != instance {
		return false
	}
	c.byName.Add(name, &knownAccount{account: found})
	return true
}

// follow heeds what has changed.
func (c *accounts) follow(ctx context.Context, db store.Bare) error {
	for {
		c.mu.RLock()
		instance, seen := c.instance, c.seen
		c.mu.RUnlock()
		if instance == db.Instance() {
			select {
			case <-db.Changed(seen):
			default:
				return nil
			}
		}
		newest, err := db.UpdateSeq(ctx)
		if err != nil {
			return err
		}
		var changed []string
		if instance == db.Instance() {
			q := store.ChangesQuery{Since: seen, To: newest, Limit: -1}
			_, err := db.Changes(ctx, q, func(ch *store.Change) error {
				changed = append(changed, strings.TrimPrefix(string(ch.ID), auth.UserPrefix))
				return nil
			}, func() error { return nil })
			if err != nil {
				return err
			}
		}
		c.mu.Lock()
		if c.instance == instance && c.seen == seen { // else somebody else was faster
			if instance != db.Instance() {
				c.instance = db.Instance()
				c.byName.Purge()
			}
			for _, name := range changed {
				if known, there := c.byName.Peek(name); there {
					c.byName.Add(name, &knownAccount{account: known.account, stale: true})
				}
			}
			c.seen = newest
		}
		c.mu.Unlock()
	}
}

// read reads a user's document. As in CouchDB nobody logs in with one that has
// conflicts: it is for a person to say which password is right.
func (c *accounts) read(ctx context.Context, db store.Bare, name string) (*auth.Account, error) {
	doc, err := db.Get(ctx, auth.UserPrefix+name, store.ReadOptions{Conflicts: true})
	if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(doc.Conflicts) > 0 {
		c.a.log.WarnContext(ctx, "a user cannot log in: the document has conflicts", "user", name)
		return nil, nil
	}
	account, err := auth.ParseAccount(doc.Body)
	if err != nil || account.User.Name != name {
		return nil, nil
	}
	return account, nil
}

// Rehash stores a password as new ones are stored.
func (c *accounts) Rehash(ctx context.Context, a *auth.Account, password string) (*auth.Account, error) {
	db, err := c.a.store.Bare(ctx, UsersDB, store.ForAccounts)
	if err != nil {
		return nil, err
	}
	defer db.Release()
	doc, err := db.Get(ctx, auth.UserPrefix+a.User.Name, store.ReadOptions{})
	if err != nil {
		return nil, err
	}
	if now, err := auth.ParseAccount(doc.Body); err != nil || !now.Same(a) {
		return nil, nil // it has another password or other roles already
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
