// Package preset makes a server ready for a kind of client: it makes a database, and a user who
// may use it. The settings that the client needs are in package config.
//
// What always holds: a database or a user that is there already stays as it is. Once all is made
// that has been noted in the server's own file, and what is deleted after that is not made again.
package preset
