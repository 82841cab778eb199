// Package uuids makes ids of documents that come without one.
package uuids
