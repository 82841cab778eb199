// Package doctor looks at a server from outside, as its clients do, and finds what is wrong with the server or with
// what stands between: name, port, certificate, a proxy's handling of CORS, cookies, feeds, long requests and paths.
// Each fault has a sentence that says what is wrong and one that says how to cure it.
//
// Looking changes nothing on the server. With credentials it signs in once.
package doctor
