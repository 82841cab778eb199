package replicate

import "encoding/json"

// marshal turns values into JSON. Where text goes between bytes that must not change, such as
// members of documents, jsonscan appends it instead. marshal panics on what JSON cannot hold:
// it is given only strings, numbers, and JSON that has been read.
func marshal(value any) []byte {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return b
}
