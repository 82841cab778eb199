// Package schedule has a server back itself up: at times, after intervals, or whenever something has
// changed. A Keeper makes the backups, forgets those that no rule keeps, and says how it goes.
package schedule
