// Command tododb is a document database that speaks CouchDB's HTTP API.
//
//	tododb serve                   start the server (the default)
//	tododb config [SECTION]        print the settings in force and where each comes from
//	tododb check [DB...]           look for damage in databases
//	tododb compact [DB...]         free the space of data that is no longer needed
//	tododb move --from A --to B    move all databases to PostgreSQL, or back
//	tododb replicate SOURCE TARGET copy to TARGET what it lacks from SOURCE
//	tododb doctor [URL]            find out what is wrong with a server, or a data folder
//	tododb pg init                 make the tables of PostgreSQL
//	tododb version                 print the version
//
// and, as clients of a running server:
//
//	tododb status                  how it is, and as whom you reach it
//	tododb db ls|create|info|rm    databases
//	tododb user ls|add|passwd|rm   users and administrators
//	tododb token issue|ls|revoke   tokens of devices
//	tododb get|put DB ID           documents
//	tododb changes DB              what has changed, and what changes
//	tododb import|export DB FILE   documents from and to files
//	tododb backup|restore TARGET   everything
//
// This package has only the command line: flags, environment, wiring, signals and exit
// codes. The packages store, replicate and httpapi have what it wires together.
//
// A data folder contains:
//
//	local.ini     settings that the server wrote: identity, administrators, secret
//	databases/    the databases, as the storage engine keeps them
//	https/        certificates that the server got or made, and their keys
//	lock          held by the process that has the folder open
//
// Exit codes: 0 success, 1 failure (standard error says why), 2 wrong command line
// or file of settings, 3 check found damage, 4 stopping took too long and was cut short, 5 import was refused some
// documents, 6 what was asked for is not there, 7 no server answers,
// 8 doctor found a fault.
package main
