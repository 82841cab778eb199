package query

import "net/http"

// ViewQueries answers POST of a view's /queries: several queries of it at once.
func (room *Room) ViewQueries(w http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	v, err := room.openView(r, db)
	if err != nil {
		return err
	}
	defer v.Release()
	var plans []rangePlan
	err = eachQuery(w, r, func(p *viewParams) error {
		plan, err := room.plan(v, p)
		plans = append(plans, plan)
		return err
	})
	if err != nil {
		return err
	}
	return writeResults(w, r, plans)
}
