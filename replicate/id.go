package replicate

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
)

// BaseID identifies what is replicated. The checkpoints on both sides are stored under it.
// It follows from the server that does the work, the two sides without their credentials,
// and the choice of documents. So the same replication finds its checkpoints again after a
// restart and with new passwords.
func (s *Spec) BaseID(server string) string {
	what := struct {
		Server, Source, Target string
		DocIDs                 []string          `json:",omitempty"`
		Selector               json.RawMessage   `json:",omitempty"`
		Filter                 string            `json:",omitempty"`
		Params                 map[string]string `json:",omitempty"`
		Winners                bool              `json:",omitempty"`
		Since                  string            `json:",omitempty"` // a checkpoint says that all before it is there, which is not so then
	}{server, s.Source.Name(), s.Target.Name(), s.Filter.DocIDs, s.Filter.Selector, s.Filter.Name, s.Filter.Params, s.Winners, s.SinceSeq}
	sum := md5.Sum(Marshal(what))
	return hex.EncodeToString(sum[:])
}

// JobID identifies a job. A one-time and a continuous replication of the same kind are two
// jobs with the same checkpoints.
func (s *Spec) JobID(server string) string {
	id := s.BaseID(server)
	if s.Continuous {
		id += "+continuous"
	}
	if s.CreateTarget {
		id += "+create_target"
	}
	return id
}
