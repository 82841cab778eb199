package pg

// printable ends where a text parameter of PostgreSQL may have bytes that mean something else: it must be
// UTF-8, and without a byte of 0.
const printable = 0x7f

// afterName turns any bytes into a text that the same names come after. Names of databases are
// ASCII letters, digits and signs, so what stands behind the first other byte decides nothing.
func afterName(after string) string {
	for i := range len(after) {
		switch b := after[i]; {
		case b == 0: // whatever begins with what stands before it and goes on comes after it
			return after[:i]
		case b >= printable:
			return after[:i] + string(rune(printable))
		}
	}
	return after
}
