package replicate

import "encoding/json"

// marshal is how values become JSON here. Text that goes between bytes that are kept as they
// came, such as members of documents, is appended by jsonscan. It panics on what JSON cannot
// hold: all that comes here is strings, numbers, and JSON that has been read.
func marshal(value any) []byte {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return b
}
