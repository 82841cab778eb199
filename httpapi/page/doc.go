// Package page serves the web page at /_utils/.
//
// The page is a program in TypeScript that runs in the visitor's browser and speaks only the
// public HTTP API, with the visitor's own session. So it needs nothing of the store, and whatever
// it can do, another program can too. Its sources lie in src. Package main in bundle makes files
// of them in dist, which git ignores and this package has embedded. Without them the server
// works, and the page says how to build it.
//
// Invariants:
//   - the page loads nothing from elsewhere, and runs no script that stands in HTML (its
//     Content-Security-Policy);
//   - all its addresses are relative, so it works below a path of a proxy;
//   - the names of all files but index.html have a hash of their contents, so browsers may keep
//     them for ever, and index.html is asked for each time.
//
// How the sources are made, and how a screen is added to them, is told in src/README.md.
package page
