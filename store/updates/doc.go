// Package updates keeps what happened last to each database, for _db_updates.
//
// It is in a database of the server's own (store.UpdatesDB), with a document for each database that there
// is or was. So its sequences are those of a database: they grow, survive restarts, and name one state for
// ever. The document of a database that was deleted is a tombstone; of
// these only the last ones stay (Options.Deleted). The body of the others is
//
//	{"type": "created" or "updated", "seq": N, "of": ID, "by": ID}
//
// where seq and of say how far the database was (store.At), and by which life of which process noted it, "" if it was
// found. That of a tombstone says which database it was.
//
// Writers of documents do not wait for it. What they do is noted in the background, many events at a time,
// soon while somebody waits for the feed, and otherwise within a second. What a process that is killed has
// not noted is found: when a process begins, and where several share the databases also later, how far each
// database is is compared with what was noted. So every change of a database is followed by an event.
//
// Where the storage may be put back to an earlier state behind the backs of processes (store.Store.Era), the notes
// go back with the databases. What a process knows of the time before it does not note then: it compares.
package updates
