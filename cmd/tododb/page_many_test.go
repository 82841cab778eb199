package main

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/tododb/tododb/store/widetest"
)

// readings counts what the page reads of long lists, and answers for a database of a million documents.
const readings = `(() => {
	const real = window.fetch
	const million = 1_000_000
	const id = (n) => 'doc-' + String(n).padStart(7, '0')
	window.names = window.infos = window.rows = 0
	const documents = (q) => {
		// Where a key stands among the ids.
		const at = (key) => (key === null ? undefined : JSON.parse(key) <= 'doc-' ? 0 : JSON.parse(key) > 'doc-~' ? million : Number(JSON.parse(key).slice(4).padEnd(7, '0').slice(0, 7)))
		const back = q.get('descending') === 'true'
		const [skip, limit] = [Number(q.get('skip') ?? 0), Number(q.get('limit') ?? million)]
		const from = back ? million - 1 - skip : (at(q.get('startkey')) ?? 0) + skip
		const list = Array.from({ length: limit }, (_, i) => (back ? from - i : from + i)).filter((n) => n >= 0 && n < million)
		rows += list.length
		return { total_rows: million, offset: from, rows: list.map((n) => ({ id: id(n), key: id(n), value: { rev: '1-0123456789abcdef' } })) }
	}
	window.fetch = async (address, opt) => {
		const url = new URL(address, location.href)
		if (url.pathname === '/million/_all_docs') return Response.json(documents(url.searchParams))
		if (url.pathname === '/_dbs_info') infos += JSON.parse(opt.body).keys.length
		const answer = await real(address, opt)
		if (url.pathname === '/_all_dbs' && opt.method === 'GET') names += (await answer.clone().json()).length // before the page has them
		return answer
	}
})()`

// reads checks that what a step reads of a long list is about what is shown: a page of rows or two.
func (b *browser) reads(what, counter string, most int, step func()) {
	b.t.Helper()
	before, _ := strconv.Atoi(b.eval(counter))
	step()
	if after, _ := strconv.Atoi(b.eval(counter)); after == before || after-before > most {
		b.t.Errorf("%s reads %d %s, want 1 to %d", what, after-before, counter, most)
	}
}

// Lists of a million documents and of very many databases are gone through, searched and left at their ends,
// and only what is shown is read. The short form has fewer databases: more than three pages of them.
func TestPageManyDatabases(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	many := 350
	if !testing.Short() {
		many = 10_000
	}
	p, b := servePage(t)
	p.do(201, "PUT", "/million", "")
	p.do(201, "PUT", "/userdb-616e6e61", "") // anna's
	makeDatabases(p, many)
	last := fmt.Sprintf("db-%05d", many-1)
	b.signIn()
	b.eval(readings)
	b.click("link", "Users")
	const page = 100 // rows of a page
	b.reads("opening", "names", 2*page, func() {
		b.reads("opening", "infos", page, func() {
			b.click("link", "Databases")
			b.finds("link", "db-00003")
			b.sees("db-00003\t0") // with its figures
		})
	})
	b.open("#/")
	b.finds("link", "db-00000")
	b.focus("checkbox", "Anywhere in the name")
	b.press(kb.Tab)
	b.reads("going to the end", "names", 2*page, func() {
		b.press(kb.End)
		b.finds("button", "▸ Users’ own databases")
		b.finds("link", last)
	})
	b.press(kb.Home)
	b.finds("link", "db-00001")
	b.reads("a search", "names", 2*page, func() {
		b.fill("Search databases", "db-0020")
		b.finds("link", "db-00200")
		b.misses("db-00001")
	})
	b.fill("Search databases", "anna") // by the name of the user
	b.finds("link", "userdb-616e6e61")
	b.fill("Search databases", "0020")
	b.sees("No database is called so")
	b.click("checkbox", "Anywhere in the name")
	b.finds("link", "db-00020")

	b.open("#/db/million/docs")
	b.sees("1,000,000 documents", "doc-0000000")
	b.focus("checkbox", "Contents")
	b.press(kb.Tab)
	b.reads("going to the end", "rows", 2*page, func() {
		b.press(kb.End)
		b.finds("link", "doc-0999999")
	})
	b.reads("a jump", "rows", 2*page, func() {
		b.fill("Jump to id", "doc-0500000")
		b.press(kb.Enter)
		b.finds("link", "doc-0500000")
	})
}

// makeDatabases makes databases with numbers, several at once.
func makeDatabases(p *process, count int) {
	p.t.Helper()
	var all sync.WaitGroup
	next := make(chan int)
	for range 16 {
		all.Go(func() {
			for n := range next {
				if status, body := p.try("PUT", fmt.Sprintf("/db-%05d", n), ""); status != http.StatusCreated {
					p.t.Errorf("PUT /db-%05d: %d %s", n, status, body)
				}
			}
		})
	}
	for n := range count {
		next <- n
	}
	close(next)
	all.Wait()
}
