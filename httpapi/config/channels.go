package config

// channelPrefix begins the names of the sections of channels, in which files wait to be compacted.
// ownChannel stands in the manual for the name that an operator has given to one.
const (
	channelPrefix = "smoosh."
	ownChannel    = "CHANNEL"
)

// channels returns the rows of the channels that are there from the start, and of an operator's own.
func channels() (rows []Setting) {
	for _, of := range []struct{ channel, priority, least, what string }{
		{"ratio_dbs", "ratio", "1.6", "databases"},
		{"slack_dbs", "slack", "536870912", "databases"},
		{"ratio_views", "ratio", "1.6", "indexes"},
		{"slack_views", "slack", "536870912", "indexes"},
		{"index_cleanup", "", "", ""},
		{ownChannel, "ratio", "", "files"},
	} {
		section := channelPrefix + of.channel
		row := func(name, value string, kind *Kind, meaning string) {
			rows = append(rows, Setting{Name{section, name}, value, kind, 0, meaning})
		}
		if of.what != "" {
			row("priority", of.priority, OneOf("ratio", "slack", "upgrade"), "which "+of.what+" it takes, and which first: ratio, by their size divided by what is alive in them; slack, by the bytes that are not alive; upgrade: none")
			least := "the least priority that it takes"
			switch {
			case of.least == "":
				least += "; empty: 2.0 for ratio, 536870912 for slack"
			case of.priority == "ratio":
				least += ". CouchDB's is 2.0: here a file, which grows in steps, then stays below twice its size"
			}
			row("min_priority", of.least, Amount, least)
			row("max_priority", "infinity", Amount, "the greatest priority that it takes")
			row("min_size", "1048576", Bytes, "bytes above which a file is taken")
			row("max_size", "infinity", Limit, "bytes above which it is not")
			row("min_changes", "0", Number, "changes in the database since it was last compacted by itself, below which nothing is taken")
		}
		row("concurrency", "1", Count, "how many are worked on at once")
		row("capacity", "9999", Count, "how many wait at the most; those with the least priority are forgotten, and found again later")
		row("from", "00:00", Clock, "time of day, in UTC, from which on it works")
		row("to", "00:00", Clock, "time of day until which it begins something; the same as from: always")
		if of.what != "" {
			row("strict_window", "false", Bool, "what is going on then ends too, and is begun again in the next window")
		}
	}
	return rows
}
