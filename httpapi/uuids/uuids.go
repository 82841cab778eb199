package uuids

import (
	"crypto/rand"
	"encoding/hex"
	mathrand "math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// The ways to make ids, by CouchDB's names. Ids of all but Plain sort by the time at which
// they were made. Ids made one after another are then neighbours on disk, so writing them
// touches few pages.
const (
	Plain        = "random"     // 32 random hex digits
	Sequential   = "sequential" // 26 random hex digits that stay for a while, then 6 that grow by random steps
	UTCRandom    = "utc_random" // microseconds since 1970 in 14 hex digits, then 18 random ones
	UTCID        = "utc_id"     // microseconds since 1970 in 14 hex digits, then Settings.Suffix
	V7           = "uuid_v7"    // version 7 of RFC 9562 in 32 hex digits
	sequenceEnds = 1 << 24      // what the last 6 digits of Sequential stay below
)

// Algorithms are all of them.
var Algorithms = []string{Plain, Sequential, UTCRandom, UTCID, V7}

// Settings may change while a Source is in use.
type Settings struct {
	Algorithm string // one of Algorithms (Sequential)
	Suffix    string // of the ids of UTCID
}

// Source makes document ids. No two are the same.
type Source struct {
	settings func() *Settings
	now      func() time.Time

	mu     sync.Mutex // guards what follows
	prefix [13]byte   // of Sequential
	next   uint32     // its last 24 bits
	micros int64      // of the newest id that has a time
}

// New makes a Source. It asks for the settings for each id.
func New(settings func() *Settings) *Source {
	u := &Source{settings: settings, now: time.Now}
	u.renew()
	return u
}

func (u *Source) renew() {
	rand.Read(u.prefix[:])
	u.prefix[0] &= 0x7f // ids begin with a digit, so they sort before words
	u.next = mathrand.Uint32N(0x1000)
}

// ID makes an id.
func (u *Source) ID() string { return string(u.append(make([]byte, 0, 32))) }

func (u *Source) append(b []byte) []byte {
	set := u.settings()
	switch set.Algorithm {
	case Plain:
		return appendRandom(b, 16)
	case UTCRandom:
		return appendRandom(u.appendTime(b), 9)
	case UTCID:
		return append(u.appendTime(b), set.Suffix...)
	case V7:
		return u.appendV7(b)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.next += 1 + mathrand.Uint32N(0xffe); u.next >= sequenceEnds {
		u.renew()
	}
	b = hex.AppendEncode(b, u.prefix[:])
	return hex.AppendEncode(b, []byte{byte(u.next >> 16), byte(u.next >> 8), byte(u.next)})
}

// appendTime appends microseconds that no other id has. They run ahead of the clock if many
// ids are made at once, and do not go back with it.
func (u *Source) appendTime(b []byte) []byte {
	micros := u.tick()
	digits := strconv.AppendInt(make([]byte, 0, 16), micros, 16)
	for range 14 - len(digits) {
		b = append(b, '0')
	}
	return append(b, digits...)
}

func (u *Source) tick() int64 {
	now := u.now().UnixMicro()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.micros = max(now, u.micros+1)
	return u.micros
}

// appendV7 puts the part of the time below a millisecond where RFC 9562 allows it, so that
// ids of one millisecond sort too.
func (u *Source) appendV7(b []byte) []byte {
	var id [16]byte
	rand.Read(id[8:])
	micros := u.tick()
	ms, below := uint64(micros/1000), uint64(micros%1000)*4096/1000
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[7] = 0x70|byte(below>>8), byte(below)
	id[8] = 0x80 | id[8]&0x3f
	return hex.AppendEncode(b, id[:])
}

// Random makes 32 random hex digits, whatever the settings say.
func Random() string { return string(appendRandom(make([]byte, 0, 32), 16)) }

func appendRandom(b []byte, bytes int) []byte {
	var random [16]byte
	rand.Read(random[:bytes])
	return hex.AppendEncode(b, random[:bytes])
}
