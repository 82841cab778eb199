// Package smoosh does the upkeep of a store's files by itself, as CouchDB's smoosh does: it compacts
// databases and indexes that have become much larger than what is in them, removes the indexes that no
// design document asks for any more, and does other chores in databases that have changed.
//
// Databases wait for it in channels. A channel says which files it takes (Channel.Priority: by the
// ratio of the file to what is alive in it, or by the difference), which go first, how many at a time,
// and at which time of day.
//
// What keeps this cheap:
//   - it hears of commits and of builds of indexes, and looks only at what has changed. A look costs
//     a few system calls, whatever the size, and none of it opens a closed database that is small or
//     has not grown. It waits for a second in which nobody reads or writes, for Settings.Wait at the most;
//   - free pages and the bodies of old revisions are counted as they come (store.Usage). The rest, room
//     in pages that are half full, needs a count of all that is in a file (store.Measure). That is made
//     when a file has grown far beyond the last count, so a file that only grows is counted each time
//     it has become half as large again, and compacted only if there is garbage;
//   - what was counted is remembered over restarts (Options.State). Losing that costs counts, nothing
//     else;
//   - every hour, and once after the start, it compares the files' sizes with what it remembers: for
//     ten thousand databases that is a second's work.
//
// Copying is slow on purpose: at most Settings.Rate, and an eighth of that while somebody reads or writes. It
// does not begin unless the disk has room for the copy. Whatever ends it, the old file stays as it was.
package smoosh
