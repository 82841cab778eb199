// Package account answers what users ask about themselves: who the server holds them to be,
// logging in and out, and the tokens of their devices.
//
// What always holds:
//   - a password and a token are told to nobody: a token is shown once, to who asked for it;
//   - tokens are handled by who has logged in, never by another token;
//   - that there is no such token and that it is somebody else's are answered alike.
package account
