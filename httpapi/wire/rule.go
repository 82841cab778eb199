package wire

// Rule says who may use a route. The table of routes has one for each, and package access
// enforces it.
type Rule uint8

const (
	Nobody  Rule = iota // no rule was given: the route is closed
	Anyone              // also without credentials
	User                // users who have logged in
	Member              // members of the database that the path names
	Lister              // the same, but for _users only administrators of the server
	DBAdmin             // administrators of that database
	Metrics             // administrators of the server, and users with the role _metrics
	Admin               // administrators of the server
)

var ruleNames = [...]string{"nobody", "anyone", "user", "member", "lister", "database admin", "metrics", "server admin"}

func (r Rule) String() string { return ruleNames[r] }
