package repository

import (
	"errors"
	"fmt"
)

// What is wrong with a repository or with a request to it. Nothing was changed.
var (
	ErrNone      = errors.New("there is no repository of backups here")
	ErrForeign   = errors.New("this is something else, not a repository of backups, and not empty")
	ErrNewer     = errors.New("the repository has a newer format than this program knows; use a newer tododb")
	ErrNoKey     = errors.New("the backups are encrypted; an identity is needed")
	ErrWrongKey  = errors.New("the backups are encrypted for somebody else; none of the identities fits")
	ErrPlain     = errors.New("the repository is not encrypted, so it takes no recipients")
	ErrRecipient = errors.New("the repository is encrypted; say for which recipients")
	ErrOthers    = errors.New("the repository is encrypted for other recipients, and each backup rests on earlier ones; begin a new one for these")
	ErrNoBackup  = errors.New("there is no such backup")
	ErrNoDB      = errors.New("the backup has no such database")
	ErrServers   = errors.New("there are backups of several servers here; say whose (ls shows them), or name a backup")
	ErrNoDoc     = errors.New("the backup has no such document")
	ErrLost      = errors.New("the lock was lost: it was not renewed in time, or somebody removed it")
)

// MissingError says that an object that a backup needs is not there.
type MissingError struct{ Name string }

func (e *MissingError) Error() string { return e.Name + " is missing" }

// DamagedError says that an object is not what was stored.
type DamagedError struct{ Name, Reason string }

func (e *DamagedError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.Name, e.Reason) }

// BusyError says who is at work on a repository, so that it cannot be used now.
type BusyError struct{ Who string }

func (e *BusyError) Error() string { return "the repository is in use by " + e.Who }

// broken tells whether an object is missing or damaged.
func broken(err error) bool {
	_, missing := errors.AsType[*MissingError](err)
	_, damaged := errors.AsType[*DamagedError](err)
	return missing || damaged
}

// TargetError is an error that somebody met who read in a target.
type TargetError struct{ Err error }

func (e *TargetError) Error() string { return "The target of backups cannot be read: " + e.Err.Error() }
func (e *TargetError) Unwrap() error { return e.Err }
