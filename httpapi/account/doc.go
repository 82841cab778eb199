// Package account answers requests of users about themselves: who the server thinks they are,
// logging in and out, and the tokens of their devices.
//
// What always holds:
//   - passwords are never shown, and a token is shown once, to the user who asked for it;
//   - only users who have logged in can manage tokens, never another token;
//   - a token that does not exist and one of another user get the same answer.
package account
