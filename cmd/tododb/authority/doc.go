// Package authority makes a certificate authority that belongs to one machine, and certificates that it
// issues to the machine's server.
//
// A folder holds all of it:
//
//	authority.crt  the authority's certificate, which people tell their devices to trust
//	authority.pem  the same with its key
//	server.pem     the server's certificate, the authority's, and the server's key, in one file, so that they always fit
//
// What always holds:
//   - files with keys are readable by their owner only, and are replaced as a whole;
//   - the authority may speak for this machine's names, for names that no public authority gives out, and for
//     addresses of local networks. Whoever steals its key cannot pretend to be any other site;
//   - a certificate that ends soon, or lacks a name of the machine, is replaced. The authority stays as it is,
//     because people would have to trust a new one again.
package authority
