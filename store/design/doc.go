// Package design knows what design documents have to look like, and what is in them.
package design
