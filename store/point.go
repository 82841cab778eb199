package store

import (
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/tododb/tododb/store/record"
)

// Point is a state of a database that a backup ended at, and that another one can continue from.
// The zero Point is before everything: what continues from it is whole. To all but this package it
// is opaque; its text is made of letters, digits, - and _.
type Point struct {
	Epoch string // in which that state's newest sequence was made
	Seq   uint64 // the update sequence up to which the feed was read
	// Base is the update sequence of the last whole state: everything up to it was carried. It is
	// less than Seq if the backup was cut, and else the same.
	Base  uint64
	Purge uint64 // the newest purge sequence
	Dead  uint64 // the counter of the death records
	Once  uint64 // the number of the newest recorded answer
	// What is carried whole if it has changed: digests of the properties and of the local
	// documents as they were carried, zero if they never were.
	Meta, Local [8]byte
}

// ErrBadPoint says that a text is no Point.
var ErrBadPoint = errors.New("malformed end point of a backup")

// IsZero reports whether p is before everything.
func (p Point) IsZero() bool { return p == Point{} }

// pointVersion is the first byte of a Point's text, decoded.
const pointVersion = 1

// AppendBinary appends the point's record: version | bytes epoch | uvarint seq | uvarint base |
// uvarint purge | uvarint dead | uvarint once | meta (8) | local (8). The zero Point's is empty.
func (p Point) AppendBinary(b []byte) ([]byte, error) {
	if p.IsZero() {
		return b, nil
	}
	b = record.AppendBytes(append(b, pointVersion), p.Epoch)
	for _, n := range []uint64{p.Seq, p.Base, p.Purge, p.Dead, p.Once} {
		b = binary.AppendUvarint(b, n)
	}
	return append(append(b, p.Meta[:]...), p.Local[:]...), nil
}

// UnmarshalBinary reads what AppendBinary appends. The error is ErrBadPoint.
func (p *Point) UnmarshalBinary(b []byte) error {
	*p = Point{}
	if len(b) == 0 {
		return nil
	}
	r := record.Read(b)
	version := r.Byte()
	q := Point{Epoch: string(r.Bytes()), Seq: r.Uvarint(), Base: r.Uvarint(), Purge: r.Uvarint(), Dead: r.Uvarint(), Once: r.Uvarint()}
	r.Fill(q.Meta[:])
	r.Fill(q.Local[:])
	if version != pointVersion || r.Bad || len(r.Rest) > 0 || q.IsZero() {
		return ErrBadPoint
	}
	*p = q
	return nil
}

// String is the point's text, "" for the zero Point.
func (p Point) String() string {
	b, _ := p.AppendBinary(nil)
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParsePoint reads what String writes. The error is ErrBadPoint.
func ParsePoint(s string) (p Point, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return p, ErrBadPoint
	}
	return p, p.UnmarshalBinary(b)
}

// MarshalText writes String.
func (p Point) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads it. The error is ErrBadPoint.
func (p *Point) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePoint(string(text))
	return err
}
