// Package members knows which processes of a server live, and which of them does what.
//
// Processes that share a storage are members of one server. Each writes a record of itself into the
// hidden database store.ServerDB, and renews it every few seconds (the beat). One that has not done so
// for Options.Gone, by the clock of the storage, is gone: another member removes its record, and with
// it all that it held.
//
// A lease is the right to do something that one process should do at a time. It lives as long as the
// member that has it, so a beat keeps any number of leases.
//
// What always holds:
//   - of several members that take a lease, one gets it, and each later holder has a greater Token;
//   - a lease whose holder is gone is free; the holder's record is removed in the transaction that
//     frees it, so a holder that was only slow finds out at its next beat, and has lost everything;
//   - the context of a lease ends before anybody else can have it, unless this process stood still:
//     whoever must be sure asks Still, or has the transaction that does the work notice;
//   - clocks of processes are compared with that of the storage, never with each other.
//
// All methods may be called on a nil *Members: it stands for a process that is alone, which gets every
// lease.
//
// In the database are local documents:
//
//	_local/member/ID           the record: name, start, last beat
//	_local/lease/NAME          who has it, and the token
//	_local/token               the greatest token so far
//	_local/note/KIND/ID/KEY    what a member tells the others
//	_local/ask/ID/QUESTION     what another member asks of it
//	_local/answer/ID/QUESTION  what it was answered
package members
