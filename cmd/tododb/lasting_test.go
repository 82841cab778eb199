package main

import (
	"testing"
	"time"
)

// Long times are given in days, or as before.
func TestLongDurations(t *testing.T) {
	for text, want := range map[string]string{"7d": "168h0m0s", "1y": "8760h0m0s", "1h30m": "1h30m0s", "90s": "1m30s"} {
		cmd := tokenIssueCommand()
		err := cmd.ParseFlags([]string{"--expires", text})
		if got := cmd.Flag("expires").Value.String(); err != nil || got != want {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7", "7 days", "-", "soon"} {
		if err := tokenIssueCommand().ParseFlags([]string{"--expires", text}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if v := backupCommand().Flag("follow-keep"); v.DefValue != time.Minute.String() {
		t.Errorf("--follow-keep is %s", v.DefValue)
	}
}
