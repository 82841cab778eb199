// Package client asks a server, over HTTP, for what a backup needs and gives it what a restore
// brings. A Server is a backup.Source.
package client
