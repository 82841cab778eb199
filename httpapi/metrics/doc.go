// Package metrics counts what the server does, for the people who watch it.
//
// The Prometheus client keeps the figures in a registry of their own. They are shown in
// Prometheus' text form and in the JSON of CouchDB's _stats. Both read the same counters. A
// figure has CouchDB's name if CouchDB has one with the same meaning. Otherwise its name
// begins with tododb_.
//
// What always holds:
//   - counting takes no lock that a request could wait for, and well under a microsecond;
//   - no figure has a label that clients choose, so memory does not grow with their requests.
package metrics
