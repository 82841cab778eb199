package config

import (
	"fmt"
	"strings"
)

// Manual is docs/configuration.md: what there is to set, told by the table.
func Manual() string {
	var b strings.Builder
	b.WriteString(manualHead)
	section := ""
	for i := range settings {
		row := &settings[i]
		if row.Section != section {
			section = row.Section
			fmt.Fprintf(&b, "\n## [%s]\n\n| name | default | | meaning |\n| --- | --- | --- | --- |\n", section)
		}
		preset := row.Default
		if preset != "" {
			preset = "`" + preset + "`"
		}
		name := "`" + row.Name.Name + "`"
		if row.Name.Name == Any {
			name = "*any name*"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, preset, row.Traits, row.Meaning)
	}
	return b.String()
}

func (t Traits) String() string {
	var words []string
	for _, one := range []struct {
		trait Traits
		word  string
	}{{Secret, "secret"}, {Restart, "restart"}, {Filed, "file only"}, {Inert, "no effect"}} {
		if t&one.trait != 0 {
			words = append(words, one.word)
		}
	}
	return strings.Join(words, ", ")
}

const manualHead = `# Settings

<!-- Written by "make docs" from the table in httpapi/config/table.go. -->

Sections and names are CouchDB's where CouchDB has them, and so is the form of the files:

    [chttpd]
    port = 5984
    ; a comment has a line of its own, beginning with ; or #

The first of these that sets a value counts:

1. a flag of the command line
2. a variable of the environment
3. ` + "`local.ini`" + ` in the data folder, which the server writes
4. the file of ` + "`--config`" + `, which the server only reads
5. the default

` + "`tododb config`" + ` prints what is in force and where it comes from. A name that is not
in these tables, and a value that a setting cannot have, are refused: at the start, and by
` + "`PUT /_node/_local/_config/SECTION/NAME`" + ` with a 400 that says what there is. The server does
not start with a default in the place of a value it cannot read: that would let everybody in
where ` + "`require_valid_user = yes`" + ` meant the opposite. A value has a line of its own and at most
65,536 bytes; one that would not be read back from the file as itself is refused.

A change over HTTP is written to ` + "`local.ini`" + `, unless the request has the header
` + "`X-Couch-Persist: false`" + `, and is in force at once, also where a flag says otherwise (the
flag counts again at the next start). What is marked *restart* waits for the next start.
` + "`POST /_node/_local/_config/_reload`" + ` and SIGHUP read the files again.

What is marked *file only* cannot be changed over HTTP, so that nobody who has taken over
an administrator's account can stop what watches him.

What is marked *secret* is shown as ` + "`" + Mask + "`" + ` to everybody, administrators too. What is marked
*no effect* is CouchDB's and has no meaning here; it is taken so that files and set-up
programs made for CouchDB work.
`
