// Package s3 is the storage of backups in a bucket of an object store that speaks S3.
//
// Objects are written whole: S3 shows an object only when all of it is there. Their bytes wait in
// files in a folder of this machine, so memory does not grow with them.
package s3
