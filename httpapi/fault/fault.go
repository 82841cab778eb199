package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/replicate/synchronize"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/backup/schedule"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/filter"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/mango"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/members"
	"github.com/tododb/tododb/store/script"
)

// cannotContinue is the reason of a 409 to who has a backup of another history.
const cannotContinue = "The database cannot be continued from this point, which is not of its history: a whole backup is needed."

// encrypted is the reason of a 409 to who wants to look into backups that only others can read.
const encrypted = "The backups are encrypted, and this server has no identity that reads them. Where you have one, use tododb backup show and tododb restore with --identity."

// apiErrors is the only place that turns a domain error into a status.
var apiErrors = []struct {
	err    error
	status int
	word   string
	reason string
}{
	{store.ErrReplaced, 503, "service_unavailable", "Another database is taking the place of this one: try again."}, // before ErrNoDB, which it is too
	{store.ErrNoDB, 404, "not_found", "Database does not exist."},
	{store.ErrDBExists, 412, "file_exists", "The database could not be created, the file already exists."},
	{store.ErrMissing, 404, "not_found", "missing"},
	{store.ErrDeleted, 404, "not_found", "deleted"},
	{store.ErrConflict, 409, "conflict", "Document update conflict."},
	{store.ErrNotWritten, 424, "not_written", "Nothing was written, because other documents were refused."},
	{store.ErrTransactionTooLarge, 413, "too_large", "The documents do not fit into one transaction, which this request needs: 10,000 documents or 32 MiB at the most."},
	{store.ErrOtherRequest, 422, "idempotency_key_reused", "The Idempotency-Key was used before for a different request."},
	{store.ErrBadSeq, 400, "bad_request", "Malformed sequence supplied in 'since' parameter."},
	{store.ErrBadPoint, 400, "bad_request", "Malformed end point of a backup supplied in 'since' parameter."},
	{store.ErrNotContinued, 409, "backup_not_continued", cannotContinue},
	{backup.ErrContinue, 409, "backup_not_continued", cannotContinue},
	{schedule.ErrOff, 409, "conflict", "The setting [backup] target is empty."},
	{repository.ErrNone, 404, "not_found", "There are no backups in the target yet."},
	{repository.ErrNoBackup, 404, "not_found", "There is no such backup."},
	{repository.ErrNoDB, 404, "not_found", "The backup has no such database."},
	{repository.ErrNoDoc, 404, "not_found", "The backup has no such document."},
	{repository.ErrNoKey, 409, "backup_encrypted", encrypted},
	{repository.ErrWrongKey, 409, "backup_encrypted", encrypted},
	{repository.ErrForeign, 409, "conflict", "The target of backups has something else in it."},
	{repository.ErrNewer, 409, "conflict", "The backups have a newer format than this server knows."},
	{repository.ErrPlain, 409, "conflict", "The backups in the target are not encrypted, but there are recipients in the settings."},
	{repository.ErrOthers, 409, "conflict", "The backups in the target are encrypted for other recipients than those in the settings."},
	{repository.ErrLost, 503, "service_unavailable", "The lock on the backups was lost; try again."},
	{store.ErrIDTooLong, 400, "illegal_docid", "Document id is too long"},
	{store.ErrBadLimit, 400, "bad_request", "`limit` must be a positive integer"},
	{store.ErrBadPeriod, 400, "bad_request", "A period must be a number and a unit of time, such as 30_days, or infinity."},
	{store.ErrTombstonesStay, 400, "bad_request", "The tombstones of a system database do not end."},
	{store.ErrMissingAttachment, 412, "missing_stub", "The content of an attachment is not stored here."},
	{intake.ErrNoRoom, 507, "insufficient_storage", "The disk has no room for the body of this request; nothing was written."},
	{intake.ErrBusy, 503, "service_unavailable", "Other requests take all the memory for requests; Retry-After says when to try again."},
	{intake.ErrTooLarge, 413, "too_large", "the request entity is too large"},
	{intake.ErrBomb, 413, "too_large", "the request entity is too large: it unpacks to an unreasonable size"},
	{store.ErrUploadsBusy, 503, "service_unavailable", "Other uploads take all the memory for uploads; Retry-After says when to try again."},
	{store.ErrAttachmentTooLarge, 413, "attachment_too_large", "An attachment is larger than this server accepts."},
	{store.ErrBadDBName, 400, "illegal_database_name", "Only lowercase characters (a-z), digits (0-9), and any of the characters _, $, (, ), +, -, and / are allowed. Must begin with a letter."},
	{store.ErrSystemDB, 400, "bad_request", "Cannot partition a system database"},
	{store.ErrCompactRunning, 409, "conflict", "Compaction is running already."},
	{store.ErrCorrupt, 500, "internal_server_error", "A stored record is damaged; the server's log has the details."},
	{store.ErrDamaged, 500, "database_damaged", "The file of this database is damaged and has been closed; the server's log names the file. Other databases are not affected."},
	{store.ErrUnknown, 503, "service_unavailable", "The storage is not available; the outcome of the write is unknown."},
	{store.ErrHeld, 503, "service_unavailable", "The databases are being moved to another storage. They can be read meanwhile; nothing was changed."},
	{store.ErrUnavailable, 503, "service_unavailable", "The storage is not available; nothing was changed."},
	{store.ErrFull, 507, "insufficient_storage", fullDisk},
	{store.ErrNoRoom, 507, "insufficient_storage", "The server's disk is nearly full: documents can be read and deleted, but not written."},
	{store.ErrClosed, 503, "service_unavailable", "The server is shutting down."},
	{members.ErrAway, 503, "service_unavailable", "This process has lost the storage; Retry-After says when to try again."},
	{members.ErrLost, 503, "service_unavailable", "Another process does this now; try again."},
	{auth.ErrBadLogin, 401, "unauthorized", "Name or password is incorrect."},
	{auth.ErrInConflict, 401, "unauthorized", "User document conflicts must be resolved before the document is used for authentication purposes."},
	{auth.ErrBadBase64, 400, "bad_request", "Authorization header has invalid base64 value"},
	{auth.ErrBusy, 503, "service_unavailable", "Too many passwords are being verified; try again later."},
	{auth.ErrLocked, 403, "forbidden", "Account is temporarily locked due to multiple authentication failures"},
	{auth.ErrIterations, 403, "forbidden", "The iteration count of the password's hash is out of this server's bounds"},
	{auth.ErrNotYours, 404, "not_found", "missing"},
	{auth.ErrBadCookie, 400, "bad_request", "Malformed AuthSession cookie. Please clear your cookies."},
	{replicate.ErrNoFilter, 404, "filter_fetch_error", "The source has no such filter function."},
	{replicate.ErrNetwork, 403, "network_refused", "Replications may not connect there."},
	{replicate.ErrNotYours, 401, "unauthorized", "You are not a server admin."},
	// Of a user's own account, while a replication runs; a peer's is a PeerError.
	{replicate.ErrUnauthorized, 401, "unauthorized", "The account that this replication runs for is not there any more, or has another password."},
	{replicate.ErrForbidden, 403, "forbidden", "The account that this replication runs for has lost the right to it."},
	{synchronize.ErrNone, 404, "not_found", "missing"},
	{synchronize.ErrChanged, 412, "precondition_failed", "The settings have changed since the revision in If-Match."},
	{filter.ErrNoFunctions, 501, "not_implemented", "A filter function of a local source needs a server that runs it."},
	{design.ErrNoView, 404, "not_found", "missing_named_view"},
	{view.ErrPartitionNeeded, 400, "query_parse_error", "`partition` parameter is mandatory for queries to this view."},
	{view.ErrNoPartitions, 400, "query_parse_error", "`partition` parameter is not supported in this design doc"},
	{view.ErrReduce, 400, "query_parse_error", "Reduce is invalid for map-only views."},
	{script.ErrClosed, 503, "service_unavailable", "The server is shutting down."},
	{index.ErrClosed, 503, "service_unavailable", "The server is shutting down."},
	{index.ErrNoRoom, 507, "insufficient_storage", "The server's disk is nearly full: this index is not brought up to date; update=false reads it as it is."},
	{index.ErrTooManyRows, 500, "too_many_rows", "A document has too many rows with a long id or long keys. An id of more than 1,024 bytes may take 64 MiB in all rows, and such keys may take 32 MiB."},
	{index.ErrTooManyViews, 500, "too_many_views", "A design document may have 250 views."},
	{index.ErrRenewed, 503, "service_unavailable", "The index is being rebuilt; try again."},
	{index.ErrCorrupt, 500, "internal_server_error", "An index is damaged and is being rebuilt."},
	{replicate.ErrNoJob, 404, "not_found", "missing"},
	{replicate.ErrCancelled, 409, "cancelled", "The replication was cancelled."},
	{replicate.ErrNotBuilt, 501, "not_implemented", "A filter function of a local source needs a server that runs it."},
	{replicate.ErrClosed, 503, "service_unavailable", "The server is shutting down."},
	{revtree.ErrBadRev, 400, "bad_request", "Invalid rev format"},
	{revtree.ErrBadPath, 400, "bad_request", "Invalid rev format"},
	// Of a time that the server has set itself: nobody waits for the answer after the client's own.
	{context.DeadlineExceeded, 503, "service_unavailable", "The server could not do this in time; try again."},
}

// fullDisk is the reason for every write that the disk has no space for.
const fullDisk = "No space is left on the server's disk; nothing was changed."

// systemErrors are errors of the operating system when it writes a file other than a database,
// such as the settings or the body of a request.
var systemErrors = []struct {
	err    error
	status int
	word   string
	reason string
}{
	{syscall.ENOSPC, 507, "insufficient_storage", fullDisk},
	{syscall.EDQUOT, 507, "insufficient_storage", fullDisk},
	{syscall.EFBIG, 507, "insufficient_storage", fullDisk},
	{syscall.EMFILE, 503, "service_unavailable", "The server has too many files open; nothing was changed."},
	{syscall.ENFILE, 503, "service_unavailable", "The server has too many files open; nothing was changed."},
	{syscall.EAGAIN, 503, "service_unavailable", "The server's machine has no processes left; nothing was changed."},
	{syscall.ENOMEM, 503, "service_unavailable", "The server's machine has no memory left; nothing was changed."},
}

// documentErrors is the same for errors in documents, which have reasons of their own.
var documentErrors = map[document.Kind]struct {
	status int
	word   string
}{
	document.Syntax:           {400, "bad_request"},
	document.BadRequest:       {400, "bad_request"},
	document.Validation:       {400, "doc_validation"},
	document.IllegalID:        {400, "illegal_docid"},
	document.TooLarge:         {413, "document_too_large"},
	document.TooMany:          {413, "too_large"},
	document.IllegalPartition: {400, "illegal_partition"},
}

// Of returns the answer to a request that ended with an error.
func Of(err error) wire.Failure {
	f := answer(err)
	if e, ok := errors.AsType[*auth.TokenError](err); ok {
		// RFC 6750: a client then gets another token, instead of asking for a password.
		f.Challenge = fmt.Sprintf(`Bearer error="invalid_token", error_description=%q`, e.Reason)
	}
	if f.Status == http.StatusServiceUnavailable && f.RetryAfter == "" {
		f.RetryAfter = "5"
	}
	return f
}

func answer(err error) wire.Failure {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e.Failure()
	}
	if e, ok := errors.AsType[*design.Refusal](err); ok {
		return refused(e)
	}
	if e, ok := errors.AsType[*document.Error](err); ok {
		row := documentErrors[e.Kind]
		return wire.Failure{Status: row.status, Word: row.word, Reason: e.Reason}
	}
	if e, ok := errors.AsType[*filter.Error](err); ok {
		return wire.Failure{Status: http.StatusBadRequest, Word: e.Word, Reason: e.Reason}
	}
	if e, ok := errors.AsType[*mango.Error](err); ok {
		if e.Word == mango.Unavailable {
			return wire.Failure{Status: http.StatusServiceUnavailable, Word: e.Word, Reason: e.Reason}
		}
		return wire.Failure{Status: http.StatusBadRequest, Word: e.Word, Reason: e.Reason}
	}
	if e, ok := errors.AsType[*store.Changed](err); ok {
		return wire.Failure{Status: http.StatusPreconditionFailed, Word: "precondition_failed", Reason: "The database has changed: its update sequence is " + e.Seq.String()}
	}
	if e, ok := errors.AsType[*script.Error](err); ok {
		return wire.Failure{Status: functionStatus(e), Word: e.Word, Reason: e.Reason, JSON: e.Value}
	}
	if e, ok := errors.AsType[*auth.Refusal](err); ok {
		return wire.Failure{Status: http.StatusForbidden, Word: "forbidden", Reason: e.Reason}
	}
	if e, ok := errors.AsType[*auth.BadPassword](err); ok {
		return wire.Failure{Status: http.StatusBadRequest, Word: "bad_request", Reason: e.Reason}
	}
	if e, ok := errors.AsType[*auth.TokenError](err); ok {
		switch {
		case e.Bad:
			return wire.Failure{Status: http.StatusBadRequest, Word: "bad_request", Reason: e.Reason}
		case e.NoRoles:
			return wire.Failure{Status: http.StatusNotFound, Word: "not_found", Reason: e.Reason}
		}
		return wire.Failure{Status: http.StatusUnauthorized, Word: "unauthorized", Reason: e.Reason}
	}
	if e, ok := errors.AsType[*store.PartitionOverflow](err); ok {
		return wire.Failure{Status: http.StatusForbidden, Word: "partition_overflow", Reason: e.Error()}
	}
	if e, ok := errors.AsType[*backup.Broken](err); ok {
		return wire.Failure{Status: http.StatusBadRequest, Word: "bad_backup", Reason: e.Error()}
	}
	if f, ok := backupAnswer(err); ok {
		return f
	}
	if e, ok := errors.AsType[*store.Misfit](err); ok {
		return wire.Failure{Status: http.StatusBadRequest, Word: "bad_backup", Reason: e.Error()}
	}
	if e, ok := errors.AsType[*store.MissingStub](err); ok {
		return wire.Failure{Status: http.StatusPreconditionFailed, Word: "missing_stub", Reason: e.Error()}
	}
	if e, ok := errors.AsType[*view.OrderError](err); ok {
		return wire.Failure{Status: http.StatusBadRequest, Word: "query_parse_error", Reason: e.Error()}
	}
	if e, ok := errors.AsType[*view.BuildError](err); ok {
		return wire.Failure{Status: http.StatusInternalServerError, Word: e.Word, Reason: e.Reason}
	}
	if f, ok := replicationAnswer(err); ok {
		return f
	}
	for _, row := range apiErrors {
		if errors.Is(err, row.err) {
			return wire.Failure{Status: row.status, Word: row.word, Reason: row.reason}
		}
	}
	for _, row := range systemErrors {
		if errors.Is(err, row.err) {
			return wire.Failure{Status: row.status, Word: row.word, Reason: row.reason}
		}
	}
	if f, ok := targetAnswer(err); ok {
		return f
	}
	return wire.Unforeseen
}

// backupAnswer is the same for errors of backups that say more than one sentence.
func backupAnswer(err error) (f wire.Failure, ok bool) {
	if e, ok := errors.AsType[*schedule.SettingsError](err); ok {
		return wire.Failure{Status: http.StatusConflict, Word: "conflict", Reason: e.Error()}, true
	}
	if e, ok := errors.AsType[*repository.BusyError](err); ok {
		return wire.Failure{Status: http.StatusServiceUnavailable, Word: "service_unavailable", Reason: e.Error(), RetryAfter: "5"}, true
	}
	if e, ok := errors.AsType[*repository.ExistError](err); ok {
		return wire.Failure{Status: http.StatusPreconditionFailed, Word: "file_exists", Reason: e.Error()}, true
	}
	if e, ok := errors.AsType[*repository.DocumentThereError](err); ok {
		return wire.Failure{Status: http.StatusConflict, Word: "conflict", Reason: e.Error()}, true
	}
	if e, ok := errors.AsType[*repository.DamagedError](err); ok {
		return wire.Failure{Status: http.StatusInternalServerError, Word: "backup_damaged", Reason: "The backup is damaged: " + e.Error()}, true
	}
	if e, ok := errors.AsType[*repository.MissingError](err); ok {
		return wire.Failure{Status: http.StatusInternalServerError, Word: "backup_damaged", Reason: "The backup is not whole: " + e.Error()}, true
	}
	return f, false
}

// targetAnswer is for a target of backups that cannot be read, for a reason that only the system or the
// object store knows. Administrators may know it.
func targetAnswer(err error) (f wire.Failure, ok bool) {
	e, ok := errors.AsType[*repository.TargetError](err)
	if ok {
		f = wire.Failure{Status: http.StatusBadGateway, Word: "backup_target", Reason: e.Error()}
	}
	return f, ok
}

// namedStatus is the status of an error that a design document's function threw, by its name.
// Any other error is a 500.
var namedStatus = map[string]int{
	"bad_request": 400, "query_parse_error": 400, "unauthorized": 401, "forbidden": 403, "not_found": 404,
	"method_not_allowed": 405, "not_acceptable": 406, "conflict": 409, "precondition_failed": 412,
	"bad_content_type": 415, "not_implemented": 501,
}

// refused is the answer to a design document that may not be written.
func refused(e *design.Refusal) wire.Failure {
	if shape, ok := errors.AsType[*design.ShapeError](e.Err); ok {
		return wire.Failure{Status: http.StatusBadRequest, Word: "invalid_design_doc", Reason: shape.Reason}
	}
	if errors.Is(e.Err, design.ErrNoFunction) {
		return wire.Failure{Status: http.StatusNotFound, Word: "not_found", Reason: "missing function"}
	}
	f := answer(e.Err)
	if function, ok := errors.AsType[*script.Error](e.Err); ok && function.Kind == script.Compilation {
		f.Status, f.Word = http.StatusBadRequest, "compilation_error"
	}
	return f
}

func functionStatus(e *script.Error) int {
	switch e.Kind {
	case script.Forbidden, script.Unauthorized, script.Missing, script.Named:
		if status, ok := namedStatus[e.Word]; ok {
			return status
		}
	}
	return http.StatusInternalServerError
}

// replicationAnswer is the same for errors of replications. The reason names the side that
// failed.
func replicationAnswer(err error) (f wire.Failure, ok bool) {
	if e, ok := errors.AsType[*replicate.BadRequest](err); ok {
		return wire.Failure{Status: http.StatusBadRequest, Word: "bad_request", Reason: e.Reason}, true
	}
	if e, ok := errors.AsType[*replicate.Taken](err); ok {
		return wire.Failure{Status: http.StatusConflict, Word: "conflict", Reason: e.Error()}, true
	}
	if e, ok := errors.AsType[*replicate.RefusedHeader](err); ok {
		return wire.Failure{Status: http.StatusForbidden, Word: "forbidden", Reason: e.Error()}, true
	}
	if e, ok := errors.AsType[*replicate.BadEndpoint](err); ok {
		return wire.Failure{Status: http.StatusBadRequest, Word: "invalid_replication", Reason: e.Reason}, true
	}
	e, ok := errors.AsType[*replicate.PeerError](err)
	if !ok {
		return f, false
	}
	switch {
	case errors.Is(err, replicate.ErrNetwork):
		return wire.Failure{Status: http.StatusForbidden, Word: "network_refused", Reason: "replications may not connect to " + e.Peer}, true
	case errors.Is(err, replicate.ErrNoDB):
		return wire.Failure{Status: http.StatusInternalServerError, Word: "db_not_found", Reason: "could not open " + e.Peer}, true
	case errors.Is(err, replicate.ErrUnauthorized):
		return wire.Failure{Status: http.StatusUnauthorized, Word: "unauthorized", Reason: "unauthorized to access or create database " + e.Peer}, true
	case errors.Is(err, replicate.ErrForbidden):
		return wire.Failure{Status: http.StatusForbidden, Word: "forbidden", Reason: "forbidden to access or create database " + e.Peer}, true
	case errors.Is(err, replicate.ErrNoFilter):
		return wire.Failure{Status: http.StatusNotFound, Word: "filter_fetch_error", Reason: "could not find the filter function at " + e.Peer}, true
	case errors.Is(err, replicate.ErrNotBuilt), errors.Is(err, store.ErrUnavailable):
		return f, false // the table has it
	}
	return wire.Failure{Status: http.StatusInternalServerError, Word: "replication_error", Reason: e.Error()}, true
}
