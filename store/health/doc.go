// Package health looks at what a data folder stands on: its disk, its file system, who may read it, what the process
// may open, and the clock. It finds what will harm the databases before it does, and says how to cure it.
//
// Looking changes nothing, except that a small file is written, synced and removed to see whether that works. A
// server may have the folder open meanwhile.
package health
