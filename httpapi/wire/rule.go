package wire

// Rule says who may use a route. The table of routes has one for each, and package access
// enforces it.
type Rule uint8

const (
	Nobody   Rule = iota // no rule was given: the route is closed
	Door                 // anyone, even where only known users are answered: they log in here
	Health               // the same, but where only known users are answered the settings decide
	Anyone               // also without credentials, unless only known users are answered
	User                 // users who have logged in
	Member               // members of the database that the path names
	Lister               // the same, but for _users only administrators of the server
	DBAdmin              // administrators of that database
	Metrics              // administrators of the server, and users with the role _metrics
	Admin                // administrators of the server
	DBLister             // the same, unless the settings let everybody list the databases
)

var ruleNames = [...]string{"nobody", "door", "health", "anyone", "user", "member", "lister", "database admin", "metrics", "server admin", "server admin (admin_only_all_dbs)"}

func (r Rule) String() string { return ruleNames[r] }

// Scope says which tokens of devices may use a route, whose owner may use it too. The table of
// routes has one for each method, and package access enforces it.
type Scope uint8

const (
	NoToken      Scope = iota // none, as long as the table says nothing else
	EveryToken                // every token: the route is about no database
	Readers                   // tokens for the database that the path names
	WholeReaders              // the same, but not for a part of its documents: the answer cannot be narrowed to them
	Writers                   // tokens for that database that are not only for reading
)
