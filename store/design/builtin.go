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

// MaxRank is how many values _top_N and _bottom_N keep at the most.
const MaxRank = 100

var rank = regexp.MustCompile(`^[+-]?[0-9]+$`)

// ParseBuiltin finds the function that a name with an underscore stands for: *ShapeError.
// As in CouchDB all but those with a number are known by what the name begins with
// (couch_query_servers.erl, builtin_reduce; couch_mrview.erl, validate).
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
