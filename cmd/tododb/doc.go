// Command tododb is a document database that speaks CouchDB's HTTP API.
//
//	tododb serve                   start the server (the default)
//	tododb config [SECTION]        print the settings in force and where each comes from
//	tododb check [DB...]           look for damage in a data folder
//	tododb compact [DB...]         give back the space of what is no longer needed
//	tododb replicate SOURCE TARGET copy what TARGET lacks of SOURCE
//	tododb version                 say which version this is
//
// This package holds the command line alone: flags, environment, wiring, signals
// and exit codes. What it wires together is in the packages store, replicate and
// httpapi.
//
// A data folder:
//
//	local.ini     settings that the server made: identity, administrators, secret
//	databases/    the databases, as the storage engine keeps them
//	lock          held by the process that has the folder open
//
// Exit codes: 0 done, 1 it did not work (and standard error says why), 2 the command
// line was wrong, 3 check found damage, 4 stopping took too long and was cut short.
package main
