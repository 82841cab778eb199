package smoosh

import "container/heap"

// object is what can be compacted or cleaned.
type object struct {
	db    string
	index string // signature; "": the database itself
}

// waiting is an object in a queue.
type waiting struct {
	object
	priority float64
	n        uint64 // of equals the first one in goes first
	at       int
}

// queue has objects by their priority.
type queue struct {
	list []*waiting
	has  map[object]*waiting
	n    uint64
}

func (q *queue) Len() int { return len(q.list) }

func (q *queue) Less(i, j int) bool {
	a, b := q.list[i], q.list[j]
	return a.priority > b.priority || a.priority == b.priority && a.n < b.n
}

func (q *queue) Swap(i, j int) {
	q.list[i], q.list[j] = q.list[j], q.list[i]
	q.list[i].at, q.list[j].at = i, j
}

func (q *queue) Push(x any) {
	w := x.(*waiting)
	w.at = len(q.list)
	q.list = append(q.list, w)
}

func (q *queue) Pop() any {
	last := len(q.list) - 1
	w := q.list[last]
	q.list = q.list[:last]
	return w
}

// put adds an object, or moves it. If there are too many, the last one is forgotten.
func (q *queue) put(o object, priority float64, capacity int) {
	if w := q.has[o]; w != nil {
		w.priority = priority
		heap.Fix(q, w.at)
		return
	}
	if q.has == nil {
		q.has = map[object]*waiting{}
	}
	q.n++
	w := &waiting{object: o, priority: priority, n: q.n}
	q.has[o] = w
	heap.Push(q, w)
	for len(q.list) > max(capacity, 1) {
		q.remove(q.last().object)
	}
}

func (q *queue) last() *waiting {
	last := q.list[0]
	for i, w := range q.list {
		if q.Less(last.at, i) {
			last = w
		}
	}
	return last
}

// take removes the first object.
func (q *queue) take() (w *waiting, ok bool) {
	if len(q.list) == 0 {
		return nil, false
	}
	w = heap.Pop(q).(*waiting)
	delete(q.has, w.object)
	return w, true
}

func (q *queue) remove(o object) {
	if w := q.has[o]; w != nil {
		heap.Remove(q, w.at)
		delete(q.has, o)
	}
}

// bounds are the least and the greatest priority, 0 if nobody waits.
func (q *queue) bounds() (least, most float64) {
	if len(q.list) == 0 {
		return 0, 0
	}
	return q.last().priority, q.list[0].priority
}
