// Package client asks a server, over HTTP: for what a backup needs, with what a restore brings, and
// for whatever else commands want (Request). A Server is a backup.Source.
package client
