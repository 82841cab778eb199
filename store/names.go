package store

import (
	"slices"
	"strings"
)

// maxNameLength is CouchDB's limit for the name of a database.
const maxNameLength = 238

// systemNames are the databases whose names may begin with an underscore. Each may also be the
// last part of a longer name (couch_db.erl, is_systemdb).
var systemNames = []string{"_users", "_replicator", "_global_changes"}

// SynchronizationsDB is where the server keeps its synchronizations, with the credentials of
// their remotes. Nobody else has access: it is not listed, not mentioned in Events, and cannot
// be the peer of a replication.
const SynchronizationsDB = "_synchronizations"

// ServerDB is where processes that share a storage keep what they have in common: settings, who
// lives, and who does what. It has local documents only. It is there only where other processes
// may write to the same databases, and nobody sees it: Names leaves it out.
const ServerDB = "_server"

// UpdatesDB has what happened last to each database, one document for each (package updates). Names
// leaves it out.
const UpdatesDB = "_updates"

// hiddenNames are the databases that nobody outside the server may open, and that Events do not
// mention.
var hiddenNames = []string{SynchronizationsDB, ServerDB, UpdatesDB}

// Hidden reports whether a database is the server's own, which is shown to nobody.
func Hidden(name string) bool { return slices.Contains(hiddenNames, name) }

// unlisted reports whether Names leaves a database out. SynchronizationsDB is listed, for backups.
func unlisted(name string) bool { return Hidden(name) && name != SynchronizationsDB }

// systemName reports whether this is the name of a system database, which CouchDB does not
// partition (couch_partition.erl, validate_dbname).
func systemName(name string) bool {
	if slices.Contains(systemNames, name) || Hidden(name) {
		return true
	}
	last := name[strings.LastIndexByte(name, '/')+1:]
	return last == "_users" || last == "_replicator"
}

// ValidName reports whether a database may have this name. CouchDB's rule: a lower-case letter,
// then lower-case letters, digits and any of _$()+-/.
func ValidName(name string) bool {
	if len(name) > maxNameLength {
		return false
	}
	if Hidden(name) {
		return true
	}
	for _, s := range systemNames {
		if name == s {
			return true
		}
		if prefix, ok := strings.CutSuffix(name, "/"+s); ok {
			name = prefix
			break
		}
	}
	if name == "" || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for i := 1; i < len(name); i++ {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("_$()+-/", c) >= 0) {
			return false
		}
	}
	return true
}
