// Package disk knows how full the disk is that the databases are on, and says when it is too full for
// what would fill it, as CouchDB's disk monitor does.
//
// Thresholds are shares of the disk that are in use, as df counts them: what only root may still fill
// counts as used there, and is told apart (Space.Root). The system is asked every few seconds at the most, and only by whoever wants to know.
// If it cannot tell, nothing is refused.
package disk
