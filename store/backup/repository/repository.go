package repository

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
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

// There are two heads, because nobody can do anything with the rest without one.
const (
	headName  = "tododb-repository.json"
	spareName = "tododb-repository.spare.json"
)

// format is what this program writes; it reads all up to it. Since format 2 there are segments with
// frames (segmentMagic).
const format = 2

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
	Salt      string `json:"salt"`          // what hashes of names begin with
	Sum       string `json:"sum,omitempty"` // of the salt
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
	r := &Repository{storage: s, recipients: keys.Recipients, identities: keys.Identities}
	err := r.readHeads(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, none(ctx, s)
	} else if err != nil {
		return nil, fmt.Errorf("%v: %w", s, err)
	}
	if len(keys.Recipients) > 0 && !r.head.Encrypted {
		return nil, fmt.Errorf("%v: %w", s, ErrPlain)
	}
	if len(keys.Recipients) > 0 && len(r.head.Recipients) > 0 && !slices.Equal(r.head.Recipients, r.recipientHashes()) {
		return nil, fmt.Errorf("%v: %w", s, ErrOthers)
	}
	return r, nil
}

// readHeads reads the head, or the spare one if that is missing or damaged.
func (r *Repository) readHeads(ctx context.Context) error {
	err := r.readHeadOf(ctx, headName)
	if err == nil || errors.Is(err, ErrNewer) || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrForeign) && !broken(err) {
		return err
	}
	if r.readHeadOf(ctx, spareName) == nil {
		return nil
	}
	return err
}

func (r *Repository) readHeadOf(ctx context.Context, name string) error {
	b, err := readObject(ctx, r.storage, name)
	if err != nil {
		return err
	}
	r.head = head{}
	if err := json.Unmarshal(b, &r.head); err != nil || r.head.What != what {
		return ErrForeign
	}
	if r.head.Format > format {
		return ErrNewer
	}
	r.salt, err = hex.DecodeString(r.head.Salt)
	if err != nil || len(r.salt) < 16 || r.head.Sum != "" && r.head.Sum != saltSum(r.salt) {
		return &DamagedError{name, "it has no salt, or another one"}
	}
	return nil
}

func saltSum(salt []byte) string {
	h := sha256.Sum256(salt)
	return hex.EncodeToString(h[:8])
}

// keepHeads stores the heads that are not there or that are damaged, and those of an earlier format:
// programs that know no newer one must notice before they read or delete anything.
func (r *Repository) keepHeads(ctx context.Context) error {
	r.head.Format = format
	for _, name := range []string{headName, spareName} {
		there := &Repository{storage: r.storage}
		err := there.readHeadOf(ctx, name)
		if err == nil && there.head.Format == format || err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrForeign) && !broken(err) {
			continue // the next backup will do
		}
		b, err := json.Marshal(r.head)
		if err == nil {
			err = writeObject(ctx, r.storage, name, append(b, '\n'))
		}
		if err != nil {
			return err
		}
	}
	return nil
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
	return r, r.keepHeads(ctx)
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
	first := &Repository{storage: s, salt: salt, recipients: keys.Recipients}
	first.head = head{What: what, Format: format, Salt: hex.EncodeToString(salt), Sum: saltSum(salt), Encrypted: len(keys.Recipients) > 0, Recipients: first.recipientHashes()}
	if err := first.keepHeads(ctx); err != nil {
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
