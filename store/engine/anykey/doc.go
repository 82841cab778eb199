// Package anykey gives an engine keys of any length.
//
// An engine bounds its keys: bbolt takes 30,000 bytes, a page of another storage perhaps 2,600.
// New wraps an engine so that its users know no such bound, and its order stays the order of
// the whole keys. The form is the same on every engine that takes keys of 2,049 bytes.
//
// A key of up to 2,048 bytes stands in its space as it is. Of a longer one, the first 2,048
// bytes stand there, with one byte more: a link. What follows them stands in the deep space, in
// a node: all that begins with the same bytes is one node. Bytes too many for a key of the node
// become a link there, to the next node.
//
//	space  key                                      value
//	s      up to 2,048 bytes                        its value
//	s      2,048 bytes, 0                           link: there are longer keys that begin so
//	deep   s, node (32), up to 2,015 bytes          the value of a key that ends here
//	deep   s, node (32), 2,015 bytes, 0             link
//
// A node's name is the SHA-256 of the name of the node before it (zeros at the beginning) and
// of the bytes between them. So a key is found without following the links, in one read. The
// links are for those who read in order: a link stands exactly where the keys behind it belong,
// because no other key can begin like it and follow it. A cursor that meets one reads the node.
//
// What always holds:
//   - an entry is a link exactly if its key in the engine has one byte more than any other may
//     have;
//   - a link is there exactly as long as something is in its node;
//   - keys with a common beginning share the links to it, however many they are, and a range
//     costs what it returns.
package anykey
