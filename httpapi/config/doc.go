// Package config has the server's settings. They have CouchDB's sections and names, in
// CouchDB's ini form.
//
// The first of these that has a value counts:
//
//	the command line                       (Options.Flags)
//	the environment                        (Options.Environment)
//	the server's own file, DATA/local.ini  (Options.Local), which Set writes
//	the operator's file                    (Options.File), which is only read
//	the preset that one of them chooses    ([tododb] preset)
//	the default in the table of settings
//
// A value from Set takes precedence over all of them until the next start or Reload.
//
// What always holds:
//   - every setting is in one table, with its default and its meaning; an unknown name or
//     a value of the wrong kind is refused when it comes in, so a getter never fails;
//   - when Set, Delete or Reload returns, the change is in force for every getter and known
//     to every watcher, unless the setting has the trait Restart;
//   - when Set returns, the value is on disk; after a power failure the file is either the
//     old one or the new one.
package config
