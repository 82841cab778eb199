// Package uuids makes ids for documents that come without one.
package uuids
