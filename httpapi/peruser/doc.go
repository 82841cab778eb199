// Package peruser creates a database for each user of _users, and deletes it with the user, if
// the settings in [couch_peruser] say so.
//
// What always holds: progress in the changes of _users is recorded after the work for them is
// done. So after a crash some work is done twice, and none is left out.
package peruser
