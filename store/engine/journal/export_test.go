package journal

// SyncData is what the raw floor is measured with.
var SyncData = syncData
