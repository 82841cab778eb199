package wire

import (
	"strconv"

	"github.com/tododb/tododb/store"
)

// appendInfo appends what GET /{db} says. CouchDB's replicator takes a database
// without update_seq and instance_start_time for a missing one.
func appendInfo(b []byte, db *store.DB, info store.Info) []byte {
	b = AppendString(append(b, `{"db_name":`...), db.Name())
	b = append(b, `,"purge_seq":"`...)
	b = db.Seq(info.PurgeSeq).AppendTo(b)
	b = append(b, `","update_seq":"`...)
	b = db.Seq(info.UpdateSeq).AppendTo(b)
	b = append(b, `","sizes":{"file":`...)
	b = strconv.AppendInt(b, info.File, 10)
	b = strconv.AppendInt(append(b, `,"external":`...), info.External, 10)
	b = strconv.AppendInt(append(b, `,"active":`...), info.Active, 10)
	b = append(b, `},"props":{},"doc_del_count":`...)
	b = strconv.AppendUint(b, info.DelCount, 10)
	b = strconv.AppendUint(append(b, `,"doc_count":`...), info.DocCount, 10)
	b = strconv.AppendBool(append(b, `,"disk_format_version":8,"compact_running":`...), info.CompactRunning)
	b = append(b, `,"cluster":{"q":1,"n":1,"w":1,"r":1},"instance_start_time":"`...)
	b = strconv.AppendInt(b, info.Created.Unix(), 10)
	return append(b, `"}`...)
}
