// Package collate turns JSON values into bytes whose order is CouchDB's order of the
// values, so that a range of keys is a range of bytes.
//
// What always holds, for a and b of one Order:
//   - bytes.Compare of two keys is the order of the values: null, false, true, numbers by
//     value whatever their size or form, strings as ICU's root locale collates them,
//     arrays element by element, objects member by member in the order they are written;
//   - values that CouchDB treats as equal have equal keys: 1 and 1.0, "é" composed and
//     decomposed;
//   - no key is the beginning of another, so that keys can follow one another directly;
//   - no key begins with 0x00, and no element of one begins with 0xff: a key followed by 0xff
//     is greater than everything that begins with the key.
//
// # The bytes
//
//	null 10, false 20, true 30 (Unicode) or false 20, null 21, true 22 (Raw)
//	number   tag | float64, ordered as bytes | from 2^53 on: what the float leaves out
//	string   tag | primary weights 00 | secondary weights 00 | tertiary weights 00
//	         (Raw: tag | UTF-8, 00 written as 00 ff | 00 01)
//	array    tag | elements | 00
//	object   tag | name and value of each member | 00
//
// The weights come from golang.org/x/text/collate; the commonest weights at the end of a level
// are left out. The format is on disk: it may change only with a new signature of all indexes.
package collate
