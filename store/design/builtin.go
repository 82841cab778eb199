package design

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Builtin is a reduce function that needs no JavaScript.
type Builtin struct {
	Name string // _sum, _count, _stats, _approx_count_distinct, _first, _last, _top or _bottom
	N    int    // how many values _top and _bottom keep
}

// MaxRank is the most values that _top_N and _bottom_N keep.
const MaxRank = 100

var rank = regexp.MustCompile(`^[+-]?[0-9]+$`)

// ParseBuiltin finds the built-in function for a name with an underscore. The error is a
// *ShapeError. As in CouchDB, only the beginning of the name counts, except for functions with
// a number (couch_query_servers.erl, builtin_reduce; couch_mrview.erl, validate).
func ParseBuiltin(name string) (Builtin, error) {
	for _, known := range []string{"_sum", "_count", "_stats", "_approx_count_distinct", "_first", "_last"} {
		if strings.HasPrefix(name, known) {
			return Builtin{Name: known}, nil
		}
	}
	for _, known := range []string{"_top", "_bottom"} {
		digits, found := strings.CutPrefix(name, known+"_")
		switch {
		case !found:
		case !rank.MatchString(digits):
			return Builtin{}, &ShapeError{"invalid rank reducer"}
		default:
			n, err := strconv.Atoi(digits)
			if err != nil || n < 1 || n > MaxRank {
				return Builtin{}, &ShapeError{fmt.Sprintf("rank value must be between 1 and %d", MaxRank)}
			}
			return Builtin{known, n}, nil
		}
	}
	return Builtin{}, &ShapeError{fmt.Sprintf("`%s` is not a supported reduce function.", name)}
}
