// Package fault says with which status, and in which words, a request is answered that ends
// with an error from below the HTTP API. Its table is the only place that turns such an error
// into an answer. Errors that are about a request itself know their answer (wire.Errorf).
package fault
