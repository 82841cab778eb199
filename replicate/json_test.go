package replicate

import "testing"

// A checkpoint can be written whatever the peer's sequences look like.
func TestSequencesOfCheckpoints(t *testing.T) {
	for seq, want := range map[seqJSON]string{
		"": "0", "0": "0", "12": "12", "-3": "-3", "007": `"007"`, "+5": `"+5"`, "-0": `"-0"`, "12-abc": `"12-abc"`, "\xff\"": "\"\\ufffd\\\"\"", "99999999999999999999": `"99999999999999999999"`,
	} {
		if got := string(Marshal(seq)); got != want {
			t.Errorf("%q: %s, want %s", seq, got, want)
		}
	}
}
