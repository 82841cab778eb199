package main

import (
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tododb/tododb/store/widetest"
)

// slowAnswers has the answers that say what is going on take longer than the page waits until it asks again, and
// counts how many it waits for at once.
const slowAnswers = `(() => {
	const real = window.fetch
	let waits = 0
	window.most = 0
	window.fetch = async (address, opt) => {
		if (!new URL(address, location.href).pathname.endsWith('/_active_tasks')) return real(address, opt)
		most = Math.max(most, ++waits)
		try {
			await new Promise((go, give) => {
				setTimeout(go, 3000)
				opt.signal.addEventListener('abort', () => give(opt.signal.reason))
			})
			return await real(address, opt)
		} finally {
			waits--
		}
	}
})()`

// What is asked for regularly is shown over a slow line too: an answer that takes longer than the pause between
// two questions is not given up for the next one.
func TestPageWaitsForSlowAnswers(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	_, b := servePage(t)
	b.signIn()
	b.do("answer slowly", command(cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: slowAnswers}))
	b.open("#/operate")
	b.do("load the page again", chromedp.Reload())
	b.sees("Nothing but requests.")
	if most := b.eval("most"); most != "1" {
		t.Errorf("the page waits for %s answers to the same question at once", most)
	}
}
