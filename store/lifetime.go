package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/record"
)

// Lifetime says when the tombstones of a database end. Both periods are texts such as 30_days; the
// zero value is what holds unless something is set: tombstones stay for ever.
type Lifetime struct {
	// TTL is how old a deletion must be. "" or infinity: tombstones stay.
	TTL string
	// Grace is how long a peer is waited for that has not read a deletion. "": DefaultGrace.
	Grace string
}

// DefaultGrace is the period for which peers are waited for unless a database sets another.
const DefaultGrace = "30_days"

var period = regexp.MustCompile(`^([1-9][0-9]*)_(sec|second|min|minute|hour|day|week|month|year)s?$`)

var units = map[string]time.Duration{
	"sec": time.Second, "second": time.Second, "min": time.Minute, "minute": time.Minute, "hour": time.Hour,
	"day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "month": 30 * 24 * time.Hour, "year": 365 * 24 * time.Hour,
}

// ParsePeriod reads a number and a unit of time, such as 30_days, or infinity, as CouchDB has them
// for deleted_document_ttl. A month is 30 days, a year 365. infinity, and what is longer than Go can
// count, is the longest duration.
func ParsePeriod(text string) (time.Duration, bool) {
	if text == "infinity" {
		return math.MaxInt64, true
	}
	m := period.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if unit := units[m[2]]; err == nil && n <= math.MaxInt64/int64(unit) {
		return time.Duration(n) * unit, true
	}
	return math.MaxInt64, true
}

// periods are the two durations; ends is false if tombstones stay.
func (l Lifetime) periods() (ttl, grace time.Duration, ends bool) {
	ttl, ends = ParsePeriod(l.TTL)
	if l.Grace == "" {
		l.Grace = DefaultGrace
	}
	grace, _ = ParsePeriod(l.Grace)
	return ttl, grace, ends && ttl < math.MaxInt64
}

// Lifetime reads when tombstones end.
func (db *DB) Lifetime(ctx context.Context) (l Lifetime, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		l, err = readLifetime(r)
		return err
	})
	return l, err
}

func readLifetime(r engine.Reader) (l Lifetime, err error) {
	grace, err := readObject(r, metaGrace)
	if err != nil {
		return l, err
	}
	l.Grace = string(grace)
	raw, err := readObject(r, metaAutoPurge)
	if err != nil || raw == nil {
		return l, err
	}
	var props struct {
		TTL string `json:"deleted_document_ttl"`
	}
	if err := json.Unmarshal(raw, &props); err != nil {
		return l, fmt.Errorf("%w: lifetime of tombstones: %w", ErrCorrupt, err)
	}
	l.TTL = props.TTL
	return l, nil
}

// SetLifetime sets when tombstones end, for administrators (Guard.Admin). change is given what is
// set, in the transaction that writes; it may be called again. The error may be ErrBadPeriod, or
// ErrTombstonesStay for a database whose deletions the server itself follows.
func (db *DB) SetLifetime(ctx context.Context, change func(*Lifetime)) error {
	var refusal error
	err := db.commits.submit(ctx, &op{bytes: 64, apply: func(w *writer) (err error) {
		if refusal, err = db.mayAdminister(w.tx); refusal != nil || err != nil {
			return err
		}
		l, err := readLifetime(w.tx)
		if err != nil {
			return err
		}
		change(&l)
		if refusal = db.mayEnd(l); refusal != nil {
			return nil
		}
		props := []byte{record.Version, '{', '}'}
		if l.TTL != "" {
			props = append(jsonscan.AppendString(append(props[:1], `{"deleted_document_ttl":`...), l.TTL), '}')
		}
		if err := w.tx.Put(spaceMeta, metaAutoPurge, props); err != nil {
			return err
		}
		if err := w.tx.Put(spaceMeta, metaGrace, append([]byte{record.Version}, l.Grace...)); err != nil {
			return err
		}
		return w.mark()
	}})
	if err == nil {
		err = refusal
	}
	return err
}

// mayEnd judges a lifetime. Tombstones of system databases stay: whoever is deleted from _users must
// not be able to log in because the server has not looked in time.
func (db *DB) mayEnd(l Lifetime) error {
	for _, text := range []string{l.TTL, l.Grace} {
		if _, ok := ParsePeriod(text); !ok && text != "" {
			return ErrBadPeriod
		}
	}
	if _, _, ends := l.periods(); ends && systemName(db.name) {
		return ErrTombstonesStay
	}
	return nil
}
