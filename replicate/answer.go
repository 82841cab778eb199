package replicate

// JSON returns the answer to POST /_replicate when a one-time replication is done.
func (r Result) JSON() []byte {
	type head struct {
		OK        bool `json:"ok"`
		NoChanges bool `json:"no_changes,omitempty"`
	}
	h := head{OK: true, NoChanges: r.NoChanges}
	switch {
	case r.Unrecorded:
		return []byte(`{"ok":true,"use_checkpoints":false}`)
	case r.checkpoint.SessionID == "":
		return Marshal(h)
	case r.Filtered && !r.NoChanges:
		return Marshal(struct {
			head
			StartTime        string `json:"start_time"`
			EndTime          string `json:"end_time"`
			DocsRead         int64  `json:"docs_read"`
			DocsWritten      int64  `json:"docs_written"`
			DocWriteFailures int64  `json:"doc_write_failures"`
			checkpoint
		}{h, r.session.StartTime, r.session.EndTime, r.session.DocsRead, r.session.DocsWritten, r.session.DocWriteFailures, r.checkpoint})
	}
	return Marshal(struct {
		head
		checkpoint
	}{h, r.checkpoint})
}

// Counts returns how many documents were read, written and refused.
func (r Result) Counts() (read, written, refused int64) {
	return r.session.DocsRead, r.session.DocsWritten, r.session.DocWriteFailures
}
