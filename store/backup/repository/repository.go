package repository

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
)

const (
	headName = "tododb-repository.json"
	format   = 1
)

// Repository is a repository of backups that is open.
type Repository struct {
	// Wait is how long whoever reads waits for prune. Zero: the error is *BusyError at once.
	Wait time.Duration

	storage    Storage
	head       head
	salt       []byte
	recipients []age.Recipient
	identities []age.Identity
}

// head is the object that says what a repository is.
type head struct {
	What      string `json:"what"` // always "tododb backups"
	Format    int    `json:"format"`
	Salt      string `json:"salt"` // what hashes of names begin with
	Encrypted bool   `json:"encrypted"`
	// Recipients are hashes of those that objects are encrypted for. It is always the same ones: each
	// backup rests on earlier ones, so nobody could read one that others were encrypted for.
	Recipients []string `json:"recipients,omitempty"`
}

const what = "tododb backups"

// Keys are what objects are encrypted for, and what they are read with.
type Keys struct {
	Recipients []age.Recipient
	Identities []age.Identity
}

// Open opens a repository. It changes nothing.
func Open(ctx context.Context, s Storage, keys Keys) (*Repository, error) {
	b, err := readObject(ctx, s, headName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, none(ctx, s)
	} else if err != nil {
		return nil, err
	}
	r := &Repository{storage: s, recipients: keys.Recipients, identities: keys.Identities}
	if err := json.Unmarshal(b, &r.head); err != nil || r.head.What != what {
		return nil, fmt.Errorf("%v: %w", s, ErrForeign)
	}
	if r.head.Format > format {
		return nil, fmt.Errorf("%v: %w", s, ErrNewer)
	}
	if r.salt, err = hex.DecodeString(r.head.Salt); err != nil || len(r.salt) < 16 {
		return nil, fmt.Errorf("%v: %w", s, &DamagedError{headName, "it has no salt"})
	}
	if len(keys.Recipients) > 0 && !r.head.Encrypted {
		return nil, fmt.Errorf("%v: %w", s, ErrPlain)
	}
	if len(keys.Recipients) > 0 && len(r.head.Recipients) > 0 && !slices.Equal(r.head.Recipients, r.recipientHashes()) {
		return nil, fmt.Errorf("%v: %w", s, ErrOthers)
	}
	return r, nil
}

func (r *Repository) recipientHashes() (hashes []string) {
	for _, one := range r.recipients {
		if s, is := one.(fmt.Stringer); is {
			hashes = append(hashes, r.hash("recipient", s.String()))
		}
	}
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

// none tells an empty storage from one with something else in it.
func none(ctx context.Context, s Storage) error {
	errFound := errors.New("found")
	err := s.List(ctx, "", func(e Entry) error {
		if strings.HasPrefix(e.Name, "staged/") || strings.HasPrefix(e.Name, "locks/") {
			return nil // of somebody who was about to begin one
		}
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return fmt.Errorf("%v: %w", s, ErrForeign)
	case err != nil:
		return err
	}
	return fmt.Errorf("%v: %w", s, ErrNone)
}

// Create opens a repository in which backups are to be made, and begins it if the storage is
// empty. A new one is encrypted if there are recipients.
func Create(ctx context.Context, s Storage, keys Keys) (*Repository, error) {
	r, err := Open(ctx, s, keys)
	if errors.Is(err, ErrNone) {
		r, err = begin(ctx, s, keys)
	}
	if err != nil {
		return nil, err
	}
	if r.head.Encrypted && len(keys.Recipients) == 0 {
		return nil, fmt.Errorf("%v: %w", s, ErrRecipient)
	}
	return r, nil
}

// begin begins a repository. Of several processes that want to only one does.
func begin(ctx context.Context, s Storage, keys Keys) (r *Repository, err error) {
	ctx, release, err := (&Repository{storage: s}).lock(ctx, deleting, "", time.Minute)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if r, err = Open(ctx, s, keys); !errors.Is(err, ErrNone) {
		return r, err
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	hashes := (&Repository{salt: salt, recipients: keys.Recipients}).recipientHashes()
	b, err := json.Marshal(head{what, format, hex.EncodeToString(salt), len(keys.Recipients) > 0, hashes})
	if err == nil {
		err = writeObject(ctx, s, headName, append(b, '\n'))
	}
	if err != nil {
		return nil, err
	}
	return Open(ctx, s, keys)
}

// Encrypted tells whether the backups are encrypted.
func (r *Repository) Encrypted() bool { return r.head.Encrypted }

// CanRead tells whether what is encrypted can be read, as far as is known without trying.
func (r *Repository) CanRead() bool { return !r.head.Encrypted || len(r.identities) > 0 }

// writeObject stores a small object.
func writeObject(ctx context.Context, s Storage, name string, content []byte) error {
	f, err := s.Stage()
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("store %s: %w", name, errors.Join(err, discard(f)))
	}
	return s.Keep(ctx, f, name)
}

// maxSmall bounds the bytes of objects that are read into memory.
const maxSmall = 1 << 30

// readObject reads a small object.
func readObject(ctx context.Context, s Storage, name string) ([]byte, error) {
	o, err := s.Fetch(ctx, name)
	if err != nil {
		return nil, err
	}
	if o.Size() > maxSmall {
		return nil, errors.Join(&DamagedError{name, "it is too large"}, o.Close())
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, o)
	if err = errors.Join(err, o.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b.Bytes(), nil
}
