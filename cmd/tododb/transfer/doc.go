// Package transfer moves documents between files and a server.
//
// A Reader finds the documents in a file of any of the usual forms, an Import writes them, and
// Export writes a database to a file. Documents are bytes all the way: nothing decodes a number,
// and members keep their order.
//
// What always holds: memory is bounded by a batch and by the longest document (or line), however
// long the file is; an Import that is run again changes nothing where it has been.
package transfer
