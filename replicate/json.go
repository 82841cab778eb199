package replicate

import "encoding/json"

// Marshal turns values into JSON. Where text goes between bytes that must not change, such as
// members of documents, jsonscan appends it instead. Marshal panics on what JSON cannot hold:
// it is given only strings, numbers, and JSON that has been read.
func Marshal(value any) []byte {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return b
}
