package replicate

import "container/heap"

// queue holds tasks in the order that less gives. A task is in one queue at most.
type queue struct {
	tasks []*task
	less  func(a, b *task) bool
}

// byTurn lets the one go first that has waited longest since it last ran.
func byTurn(a, b *task) bool {
	if !a.started.Equal(b.started) {
		return a.started.Before(b.started)
	}
	return a.number < b.number
}

func byNextTry(a, b *task) bool { return a.nextTry.Before(b.nextTry) }

func (q *queue) Len() int           { return len(q.tasks) }
func (q *queue) Less(i, j int) bool { return q.less(q.tasks[i], q.tasks[j]) }

func (q *queue) Swap(i, j int) {
	q.tasks[i], q.tasks[j] = q.tasks[j], q.tasks[i]
	q.tasks[i].place, q.tasks[j].place = i, j
}

// Push and Pop are for package heap; add, first and remove are for the others.
func (q *queue) Push(x any) {
	t := x.(*task)
	t.place = len(q.tasks)
	q.tasks = append(q.tasks, t)
}

func (q *queue) Pop() any {
	t := q.tasks[len(q.tasks)-1]
	q.tasks[len(q.tasks)-1] = nil
	q.tasks = q.tasks[:len(q.tasks)-1]
	return t
}

func (q *queue) add(t *task) {
	t.in = q
	heap.Push(q, t)
}

func (q *queue) first() *task {
	if len(q.tasks) == 0 {
		return nil
	}
	return q.tasks[0]
}

// leave takes a task out of the queue that it is in, if any.
func (t *task) leave() {
	if t.in != nil {
		heap.Remove(t.in, t.place)
		t.in = nil
	}
}
