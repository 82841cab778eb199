// Package backups answers requests for backups: the stream of a database on its way out and in, and
// what else a whole server is made of. Package store/backup has the form of the streams.
//
// What always holds:
//   - only administrators of the server come here, and no tokens of devices: a backup has everything;
//   - a restore that fails changes nothing; one that succeeds is there at once;
//   - nobody waits for who takes or sends a stream slowly.
package backups
