package httpapi

import "net/http"

// viewQueries answers POST of a view's /queries: several queries of it at once.
func (s *Server) viewQueries(w http.ResponseWriter, r *http.Request) error {
	db, err := s.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	v, err := s.openView(r, db)
	if err != nil {
		return err
	}
	defer v.Release()
	var plans []rangePlan
	err = s.eachQuery(w, r, func(p *viewParams) error {
		plan, err := v.plan(p)
		plans = append(plans, plan)
		return err
	})
	if err != nil {
		return err
	}
	return writeResults(w, r, plans)
}
