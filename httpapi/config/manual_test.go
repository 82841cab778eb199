package config

import (
	"fmt"
	"strings"
)

// manual is docs/configuration.md, written from the table of settings.
func manual() string {
	var b strings.Builder
	b.WriteString(manualHead)
	for _, section := range sections(func(*Setting) bool { return true }) {
		fmt.Fprintf(&b, "\n## [%s]\n\n| name | default | | meaning |\n| --- | --- | --- | --- |\n", section)
		for i := range settings {
			row := &settings[i]
			if row.Section != section {
				continue
			}
			preset := row.Default
			if preset != "" {
				preset = "`" + preset + "`"
			}
			name := "`" + strings.ReplaceAll(row.Name.Name, "|", `\|`) + "`"
			if row.Name.Name == Any {
				name = "*any name*"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, preset, row.state(), row.Meaning)
		}
	}
	b.WriteString(manualPresets())
	return b.String()
}

// manualPresets says what each preset sets.
func manualPresets() string {
	var b strings.Builder
	b.WriteString("\n## Presets\n\nA preset is what a kind of client needs: `tododb serve --preset NAME`. It gives these settings a value\n" +
		"where nobody else does, and the first start makes a database and a user of the preset's name.\n" +
		"[command-line.md](command-line.md#presets) shows it.\n\n| preset | setting | value |\n| --- | --- | --- |\n")
	for _, name := range Presets {
		for _, p := range presets[name] {
			fmt.Fprintf(&b, "| %s | `%s` | `%s` |\n", name, p.Name, p.value)
		}
	}
	return b.String()
}

// state says what becomes of a setting.
func (s *Setting) state() string {
	switch {
	case s.Is(Inert):
		return "no effect"
	case s.Is(Refused):
		return "refused"
	}
	words := []string{"works"}
	for _, one := range []struct {
		trait Traits
		word  string
	}{{Secret, "secret"}, {Restart, "restart"}, {Filed, "file only"}, {Own, "own"}} {
		if s.Is(one.trait) {
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
; a comment: a line that begins with ; or #, or a semicolon with a blank before it behind a value
port = 5984 ; this is one
` + "```" + `

Several sources can set a value. The first of these that does wins:

1. a flag on the command line
2. an environment variable
3. ` + "`local.ini`" + ` in the data folder, which the server writes
4. the file of ` + "`--config`" + `, which the server only reads (with ` + "`--storage`" + `, what the processes share comes before 3,
   and of 3 only what is a process's own counts)
5. the preset, if one of these sets ` + "`[tododb] preset`" + `
6. the default

` + "`tododb config`" + ` prints the settings in force and where each comes from.

A setting of these tables has a value that it can have: another one is refused. At the start that is an
error, and ` + "`PUT /_node/_local/_config/SECTION/NAME`" + ` answers 400 and says what is possible. The server never
starts with a default instead of a value that it cannot read: with
` + "`require_valid_user = yes`" + ` that would let everybody in. Where the table says so, another value is kept and
means the default, as in CouchDB.

Any other section and name is kept as it is, for applications that keep settings of their own here. All
of these together may have 4 MiB. A value is one line of at most 65,536 bytes, a section or a name at most
1,024 bytes without brackets. What would not be read back from the file unchanged is refused. A name with
` + "`=`" + ` in it needs blanks around the ` + "`=`" + ` before its value, and a value with a blank and a semicolon in it
cannot be set, both as in CouchDB.

A change over HTTP is written to ` + "`local.ini`" + `, unless the request has the header
` + "`X-Couch-Persist: false`" + `. It applies at once, even if a flag says otherwise (the flag applies
again at the next start). The answer is the value that was set before, ` + "`\"\"`" + ` if none was. As in CouchDB,
a setting that nobody has set is not shown, but for a few that CouchDB's own file sets.
` + "`POST /_node/_local/_config/_reload`" + ` and SIGHUP read the files again.

The third column says what becomes of a setting:

- *works*: it means what it says. With *restart*, a change waits for the next start.
- *file only*: it works, and cannot be changed over HTTP, so that somebody who has taken over an
  administrator's account cannot switch off the audit trail.
- *secret*: it works, and is shown as ` + "`" + Mask + "`" + ` to everybody, including administrators.
- *own*: where several processes share a storage ([scale-out.md](scale-out.md)), each has its own value, from its own files. All
  other settings are common to them: a change over HTTP is kept in the storage, and counts at every process
  within a second.
- *no effect*: it is CouchDB's, is kept, and means nothing here. The last column says why.
- *refused*: it is CouchDB's, and only the value that the last column names is taken, because another one would
  promise what the server does not do.

The sections daemons, external, feature_flags, httpd_db_handlers, httpd_design_handlers, httpd_global_handlers,
native_query_servers, os_daemons and query_servers cannot be changed over HTTP (403), as in CouchDB.
`
