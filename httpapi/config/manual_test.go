package config

import (
	"fmt"
	"strings"
)

// manual is docs/configuration.md, written from the table of settings.
func manual() string {
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

Sections, names and the file format are CouchDB's wherever CouchDB has them:

` + "```ini" + `
[chttpd]
port = 5984
; a comment has its own line, which begins with ; or #
` + "```" + `

Several sources can set a value. The first of these that does wins:

1. a flag on the command line
2. an environment variable
3. ` + "`local.ini`" + ` in the data folder, which the server writes
4. the file of ` + "`--config`" + `, which the server only reads
5. the default

` + "`tododb config`" + ` prints the settings in force and where each comes from. A name that is not
in these tables and a value that a setting cannot have are both refused. At the start that is an error.
` + "`PUT /_node/_local/_config/SECTION/NAME`" + ` answers 400 and says what is possible. The server never
starts with a default instead of a value that it cannot read: with
` + "`require_valid_user = yes`" + ` that would let everybody in. A value is one line of at most 65,536
bytes. A value that would not be read back from the file unchanged is refused.

A change over HTTP is written to ` + "`local.ini`" + `, unless the request has the header
` + "`X-Couch-Persist: false`" + `. It applies at once, even if a flag says otherwise (the flag applies
again at the next start). Settings marked *restart* wait for the next start.
` + "`POST /_node/_local/_config/_reload`" + ` and SIGHUP read the files again.

Settings marked *file only* cannot be changed over HTTP, so that somebody who has taken over an
administrator's account cannot switch off the audit trail.

Settings marked *secret* are shown as ` + "`" + Mask + "`" + ` to everybody, including administrators. Settings
marked *no effect* are CouchDB's and mean nothing here. They are accepted so that files and set-up
programs made for CouchDB work.
`
