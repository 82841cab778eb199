// Package schedule has a server back itself up: at times, after intervals, or whenever something has
// changed. A Keeper makes the backups, forgets those that no rule keeps, and says how it goes.
// Where processes share the databases, one of them does, and all say the same.
package schedule
