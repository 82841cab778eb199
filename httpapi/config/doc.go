// Package config holds the server's settings: CouchDB's sections and names, in
// CouchDB's ini form.
//
// A value is looked for in this order, the first one found counts:
//
//	what the command line says             (Options.Flags)
//	what the environment says              (Options.Environment)
//	the server's own file, DATA/local.ini  (Options.Local), which Set writes
//	the operator's file                    (Options.File), only ever read
//	the default in the table of settings
//
// What Set is given goes before all of them until the next start or Reload.
//
// What always holds:
//   - every setting stands in one table, with its default and its meaning; a name
//     that is not there, or a value of the wrong kind, is refused when it comes in,
//     so a getter never fails;
//   - a change is in force for every getter, and known to every watcher, when Set,
//     Delete or Reload returns, unless the setting has the trait Restart;
//   - Set returns after the value is on disk, and the file is the old one or the new
//     one whenever the power fails.
package config
