package store

import (
	"context"
	"strconv"

	"github.com/tododb/tododb/store/jsonscan"
)

// AppendInfo appends the database's description as CouchDB gives it. CouchDB's replicator
// treats a database without update_seq and instance_start_time as missing.
func (db *DB) AppendInfo(b []byte, info Info) []byte {
	b = jsonscan.AppendString(append(b, `{"db_name":`...), db.Name())
	b = append(b, `,"purge_seq":"`...)
	at := db.Seq(info.UpdateSeq)
	b = Seq{info.PurgeSeq, at.Epoch}.AppendTo(b)
	b = append(b, `","update_seq":"`...)
	b = at.AppendTo(b)
	b = append(b, `","sizes":{"file":`...)
	b = strconv.AppendInt(b, info.File, 10)
	b = strconv.AppendInt(append(b, `,"external":`...), info.External, 10)
	b = strconv.AppendInt(append(b, `,"active":`...), info.Active, 10)
	if info.Dead.Count > 0 {
		b = strconv.AppendUint(append(b, `,"dead":`...), info.Dead.Bytes, 10)
	}
	b = append(b, `},"props":{`...)
	if db.Partitioned() {
		b = append(b, `"partitioned":true`...)
	}
	b = append(b, `},"doc_del_count":`...)
	b = strconv.AppendUint(b, info.DelCount, 10)
	b = strconv.AppendUint(append(b, `,"doc_count":`...), info.DocCount, 10)
	if info.Dead.Count > 0 {
		b = strconv.AppendUint(append(b, `,"doc_dead_count":`...), info.Dead.Count, 10)
	}
	b = strconv.AppendBool(append(b, `,"disk_format_version":8,"compact_running":`...), info.CompactRunning)
	b = append(b, `,"cluster":{"q":1,"n":1,"w":1,"r":1},"instance_start_time":"`...)
	b = db.AppendStartTime(b)
	return append(b, `"}`...)
}

// AppendStartTime appends what CouchDB calls instance_start_time, in microseconds. A replicator
// compares it before it records how far it has come: if it is another one, what was written may
// be lost (Opened).
func (db *DB) AppendStartTime(b []byte) []byte {
	return strconv.AppendInt(b, db.Opened().UnixMicro(), 10)
}

// DefaultSecurity is the security object until one is set: only server administrators have
// access.
const DefaultSecurity = `{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}`

// SecurityObject is the security object as users and functions see it: DefaultSecurity if it
// was never set.
func (db *DB) SecurityObject(ctx context.Context) ([]byte, error) {
	raw, err := db.Security(ctx)
	if err == nil && raw == nil {
		raw = []byte(DefaultSecurity)
	}
	return raw, err
}

// UserCtx describes the user of the handle as functions of design documents see them: a JSON
// object with db, name and roles. A handle without a guard is an administrator's.
func (db *DB) UserCtx() []byte {
	if db.guard != nil && db.guard.UserCtx != nil {
		return db.guard.UserCtx()
	}
	b := jsonscan.AppendString([]byte(`{"db":`), db.Name())
	return append(b, `,"name":null,"roles":["_admin"]}`...)
}
