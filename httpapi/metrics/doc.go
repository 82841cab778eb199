// Package metrics counts what the server does, for those who watch over it.
//
// The figures are kept by the Prometheus client in a registry of their own. They are
// told in Prometheus' text form, and in the JSON of CouchDB's _stats; both read the same
// counters. Names are CouchDB's where CouchDB has them and means the same; what it has
// no name for begins with tododb_.
//
// What always holds:
//   - counting takes no lock that a request could wait for, and well under a microsecond;
//   - no figure has a label that clients choose: memory does not grow with what they ask.
package metrics
