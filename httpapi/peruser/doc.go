// Package peruser makes a database for each user of _users, and deletes it with the user, as
// far as the settings of [couch_peruser] say so.
//
// What always holds: how far the changes of _users have been followed is written down after
// what they call for has been done, so a crash makes work be done twice, and none be left out.
package peruser
