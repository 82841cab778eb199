package config

// All are the rows of the table and what follows from it.
func All() []Setting { return settings }

// Takes tells whether a setting can have a value.
func Takes(n Name, value string) bool { return check(n, value) == nil }

// NewerSection is the section whose settings an older one stands in for.
func NewerSection(section string) string {
	for newer, older := range olderSection {
		if older == section {
			return newer
		}
	}
	return ""
}
