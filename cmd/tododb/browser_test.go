package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	utils "github.com/tododb/tododb/httpapi/page"
)

// chromium is one browser for all tests of the page. Each has a window of its own, with its own
// cookies.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := exec.LookPath("chromium-headless-shell") // the same without what draws windows: a third of the work
	if err != nil {
		path, err = exec.LookPath("chromium")
	}
	if err != nil {
		return nil, err
	}
	opt := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("lang", "en"))
	if os.Geteuid() == 0 {
		opt = append(opt, chromedp.NoSandbox)
	}
	all, stop := chromedp.NewExecAllocator(context.Background(), opt...)
	ctx, leave := chromedp.NewContext(all)
	closeChromium = func() { leave(); stop() }
	return ctx, chromedp.Do(ctx)
})

var closeChromium = func() {} // TestMain calls it

// tab is what actions of the browser are given.
type tab = chromedp.Target

// browser is a visitor of the page: it finds what it uses by role and name, as people do who
// see it or hear it read.
type browser struct {
	t    testing.TB
	ctx  context.Context
	base string // http://HOST:PORT/_utils/

	mu    sync.Mutex
	wrong []string // what the console said
	cut   bool     // the browser has dropped what it was loading
}

// patience is how long something may take to appear on a busy machine.
const patience = 3 * time.Minute

// servePage starts a server and opens its page. The window closes before the server stops.
func servePage(t testing.TB, more ...string) (*process, *browser) {
	t.Helper()
	p := startServer(t, t.TempDir(), "", more...)
	t.Cleanup(p.stop)
	return p, browse(t, p)
}

// browse opens a window for the page of a server. The test fails if the console has an error,
// if a script fails, or if the Content-Security-Policy refuses something.
func browse(t testing.TB, p *process) *browser {
	t.Helper()
	must := t.Skipf
	if os.Getenv("CI") == "true" {
		must = t.Fatalf
	}
	if !utils.Built() {
		must("the page is not built: make build")
	}
	parent, err := chromium()
	if errors.Is(err, exec.ErrNotFound) {
		must("no chromium: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	t.Cleanup(leave)
	b := &browser{t: t, ctx: ctx, base: p.base + "/_utils/"}
	if err := chromedp.Listen(ctx, b.hear); err != nil { // which opens the window
		t.Fatal(err)
	}
	t.Cleanup(b.over)
	b.do("prepare a window", command(accessibility.Enable, cdp.Empty{}), command(log.Enable, cdp.Empty{}), command(cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: policyToConsole}), chromedp.EmulateViewport(1280, 800))
	return b
}

const policyToConsole = `document.addEventListener('securitypolicyviolation', (e) =>
	console.error('refused by the policy:', e.violatedDirective, e.blockedURI, e.sourceFile, e.lineNumber))`

// command makes an action of a command of the DevTools protocol whose answer does not matter.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *tab) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// hear notes what must not happen. An answer that is an error is no fault of the page.
func (b *browser) hear(event any) {
	var text string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.ConsoleAPICalledTypeError && e.Type != runtime.ConsoleAPICalledTypeWarning {
			return
		}
		for _, a := range e.Args {
			text += " " + string(a.Value) + a.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError || e.Entry.Source == log.EntrySourceNetwork && strings.Contains(e.Entry.Text, "responded with a status") {
			return
		}
		text = e.Entry.Text + " " + e.Entry.URL
		if strings.Contains(text, "ERR_NETWORK_CHANGED") { // another test has made a network on this machine
			b.mu.Lock()
			b.cut = true
			b.mu.Unlock()
			return
		}
	case *cdppage.EventJavascriptDialogOpening:
		if e.Type == cdppage.DialogTypeBeforeunload {
			return
		}
		// A test that expects a question answers it with asked. The window would stand still until somebody answers.
		text = "the page asks: " + e.Message
		go chromedp.Do(b.ctx, command(cdppage.HandleJavaScriptDialog, cdppage.HandleJavaScriptDialogParams{}))
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, text)
}

// over says what went wrong, and keeps a picture of the page if the test failed.
func (b *browser) over() {
	b.mu.Lock()
	for _, text := range b.wrong {
		b.t.Errorf("the browser's console: %s", text)
	}
	b.mu.Unlock()
	if b.t.Failed() {
		dir := os.Getenv("TODODB_TEST_ARTEFACTS")
		if dir == "" {
			dir = os.TempDir()
		}
		path := filepath.Join(dir, strings.ReplaceAll(b.t.Name(), "/", "-")+".png")
		if err := errors.Join(os.MkdirAll(dir, 0o755), b.picture(path)); err != nil {
			b.t.Logf("no picture of the page: %v", err)
			return
		}
		b.t.Logf("a picture of the page: %s", path)
	}
}

// picture saves what the window shows.
func (b *browser) picture(path string) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	return os.WriteFile(path, png, 0o644)
}

func (b *browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// until waits for a condition that the browser is asked for.
func (b *browser) until(what string, is chromedp.Action[bool]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	var last error
	for pause := 15 * time.Millisecond; ; pause = min(2*pause, 240*time.Millisecond) { // each look takes from what is waited for
		b.mu.Lock()
		again := b.cut
		b.cut = false
		b.mu.Unlock()
		if again {
			chromedp.Run(ctx, chromedp.Reload())
		}
		ok, err := chromedp.Run(ctx, is)
		if ok && err == nil {
			return
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("%s: not in %v (%v); the page has:\n%s", what, patience, last, b.text())
		case <-time.After(pause):
		}
	}
}

// open goes to a place of the page: "#/db/NAME/docs".
func (b *browser) open(hash string) {
	b.t.Helper()
	b.do("open "+hash, chromedp.Navigate(b.base+hash))
}

// signIn opens the page and signs in as the administrator.
func (b *browser) signIn() {
	b.t.Helper()
	b.open("")
	b.fill("Name", testUser)
	b.fill("Password", testPassword)
	b.click("button", "Sign in")
	b.finds("heading", "Databases")
}

// narrow makes the window as wide as a phone.
func (b *browser) narrow() {
	b.t.Helper()
	b.do("a narrow window", chromedp.EmulateViewport(360, 740))
}

// dark makes the system's theme dark.
func (b *browser) dark() {
	b.t.Helper()
	b.do("a dark system", command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}))
}

// element is something on the page with a role and a name.
type element struct{ id cdp.BackendNodeID }

// all returns the elements of a role ("": any) with a name, as assistive technology sees them.
func all(ctx context.Context, t *tab, role, name string) ([]element, error) {
	root, err := cdp.Call(ctx, t, dom.GetDocument, dom.GetDocumentParams{})
	if err != nil {
		return nil, err
	}
	tree, err := cdp.Call(ctx, t, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{NodeID: root.Root.NodeID, AccessibleName: name, Role: role})
	if err != nil {
		return nil, err
	}
	var found []element
	for _, n := range tree.Nodes {
		if !n.Ignored && n.BackendDOMNodeID != 0 {
			found = append(found, element{n.BackendDOMNodeID})
		}
	}
	return found, nil
}

// finds waits for an element.
func (b *browser) finds(role, name string) element {
	b.t.Helper()
	var e element
	b.until(fmt.Sprintf("find the %s %q", role, name), func(ctx context.Context, t *tab) (bool, error) {
		found, err := all(ctx, t, role, name)
		if err != nil || len(found) == 0 {
			return false, err
		}
		e = found[0]
		return true, nil
	})
	return e
}

// click clicks on an element in the middle, once it is there and can be used.
func (b *browser) click(role, name string) {
	b.t.Helper()
	b.until(fmt.Sprintf("click on the %s %q", role, name), func(ctx context.Context, t *tab) (bool, error) {
		found, err := all(ctx, t, role, name)
		if err != nil || len(found) == 0 {
			return false, err
		}
		id := found[0].id
		if off, err := of(ctx, t, id, "return this.disabled === true || this.ariaDisabled === 'true' || this.ariaBusy === 'true'"); err != nil || string(off) == "true" {
			return false, err
		}
		place, err := of(ctx, t, id, middle)
		if err != nil {
			return false, err
		}
		var at []float64
		if err := json.Unmarshal(place, &at); err != nil || len(at) != 2 {
			return false, err
		}
		if _, err := of(ctx, t, id, "this.hit = false; this.addEventListener('click', () => { this.hit = true }, {once: true, capture: true})"); err != nil {
			return false, err
		}
		if _, err = chromedp.MouseClickXY(at[0], at[1])(ctx, t); err != nil {
			return false, err
		}
		// What comes into the page late may have moved the element away just now.
		hit, err := of(ctx, t, id, "return this.hit !== false || !this.isConnected")
		return err != nil || string(hit) == "true", nil
	})
}

// middle is the middle of an element in the window, once nothing else covers it.
const middle = `
	this.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'})
	const r = this.getClientRects()[0]
	if (!r) return []
	const x = r.x + r.width / 2, y = r.y + r.height / 2
	const top = this.getRootNode().elementFromPoint(x, y)
	return top && (this.contains(top) || top.contains(this)) ? [x, y] : []`

// of runs the body of a function with an element as this, and returns its result in JSON.
func of(ctx context.Context, t *tab, id cdp.BackendNodeID, body string) ([]byte, error) {
	o, err := cdp.Call(ctx, t, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: id})
	if err != nil {
		return nil, err
	}
	yes := true
	r, err := cdp.Call(ctx, t, runtime.CallFunctionOn, runtime.CallFunctionOnParams{FunctionDeclaration: "function () { " + body + " }", ObjectID: o.Object.ObjectID, ReturnByValue: &yes})
	if err != nil {
		return nil, err
	}
	if r.ExceptionDetails != nil {
		return nil, errors.New(r.ExceptionDetails.Text)
	}
	return r.Result.Value, nil
}

// fill writes a text into the field with a label, over what is there.
func (b *browser) fill(label, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("fill in %q", label), func(ctx context.Context, t *tab) (bool, error) {
		for _, role := range []string{"textbox", "searchbox", "spinbutton"} {
			found, err := all(ctx, t, role, label)
			if err != nil {
				return false, err
			}
			if len(found) == 0 {
				continue
			}
			if _, err := cdp.Call(ctx, t, dom.Focus, dom.FocusParams{BackendNodeID: found[0].id}); err != nil {
				return false, err
			}
			if _, err := chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl))(ctx, t); err != nil {
				return false, err
			}
			if text == "" {
				_, err := chromedp.KeyEvent("\b")(ctx, t)
				return err == nil, err
			}
			if _, err = cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
				return false, err
			}
			// What the page has loaded just then may stand before it: again, then.
			behind, err := of(ctx, t, found[0].id, fmt.Sprintf("return this.value !== %[1]q && !!this.value?.endsWith(%[1]q)", text))
			return err == nil && string(behind) == "false", err
		}
		return false, nil
	})
}

// focus puts the keyboard on an element.
func (b *browser) focus(role, name string) {
	b.t.Helper()
	id := b.finds(role, name).id
	b.do("focus on "+name, command(dom.Focus, dom.FocusParams{BackendNodeID: id}))
}

// choose gives files to a field for files, as its dialog does.
func (b *browser) choose(selector string, files ...string) {
	b.t.Helper()
	b.do("choose files", func(ctx context.Context, t *tab) (chromedp.Void, error) {
		field, err := chromedp.Evaluate[*runtime.RemoteObject](fmt.Sprintf("document.querySelector(%q)", selector))(ctx, t)
		if err != nil {
			return chromedp.Void{}, err
		}
		return command(dom.SetFileInputFiles, dom.SetFileInputFilesParams{ObjectID: field.ObjectID, Files: files})(ctx, t)
	})
}

// pick chooses an option of a list by the arrow keys: what is typed ahead is forgotten where keys come slowly.
func (b *browser) pick(label, option string) {
	b.t.Helper()
	b.focus("combobox", label)
	b.until(fmt.Sprintf("pick %q", option), func(ctx context.Context, t *tab) (bool, error) {
		shown, err := chromedp.Evaluate[string]("(e => (e.selectedIndex + 1 === e.length ? '<' : '>') + e.selectedOptions[0]?.label)(document.activeElement)")(ctx, t)
		if err != nil || strings.HasPrefix(shown[1:], option) {
			return err == nil, err
		}
		key := kb.ArrowDown
		if shown[0] == '<' {
			key = kb.Home
		}
		return false, pressKey(ctx, t, []rune(key)[0], nil)
	})
}

// press presses keys, one after the other: a text, or those of chromedp's package kb.
func (b *browser) press(keys string, how ...chromedp.KeyOption) {
	b.t.Helper()
	b.do("press keys", chromedp.Func(func(ctx context.Context, t *tab) error {
		for _, r := range keys {
			if err := pressKey(ctx, t, r, how); err != nil {
				return err
			}
		}
		return nil
	}))
}

// pressKey presses a key as a keyboard does: its character comes with the key going down, so a page that has
// taken the key does not get the character too.
func pressKey(ctx context.Context, t *tab, key rune, how []chromedp.KeyOption) error {
	events := kb.Encode(key)
	down := events[0]
	for _, e := range events {
		for _, o := range how {
			o(e)
		}
		if e.Type == kb.KeyChar {
			if e.Modifiers&^int64(chromedp.ModifierShift) == 0 {
				down.Text, down.UnmodifiedText = e.Text, e.UnmodifiedText
			}
		}
	}
	for _, e := range events {
		if e.Type == kb.KeyChar {
			continue
		}
		if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, *e); err != nil {
			return err
		}
	}
	return nil
}

// text is everything that can be read on the page, fields and editors included.
func (b *browser) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string](allText))
	if err != nil {
		return err.Error()
	}
	return s
}

// allText reads the page's text in the browser. Editors stand in shadow roots.
const allText = `(() => {
	let s = document.body.innerText
	for (const e of document.querySelectorAll('*')) {
		if (!e.checkVisibility()) continue
		if (e.shadowRoot) s += '\n' + [...e.shadowRoot.querySelectorAll('.cm-line, .cm-tooltip')].map((l) => l.textContent).join('\n')
		if ((e.tagName === 'INPUT' || e.tagName === 'TEXTAREA') && e.type !== 'password') s += '\n' + e.value
	}
	return s
})()`

// sees waits until the page has all of these texts.
func (b *browser) sees(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf("see %q", text), func(ctx context.Context, t *tab) (bool, error) {
			s, err := chromedp.Evaluate[string](allText)(ctx, t)
			return strings.Contains(s, text), err
		})
	}
}

// misses waits until the page does not have a text any more.
func (b *browser) misses(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("not see %q", text), func(ctx context.Context, t *tab) (bool, error) {
		s, err := chromedp.Evaluate[string](allText)(ctx, t)
		return !strings.Contains(s, text), err
	})
}

// eval runs a script and returns what its value, or the value of its promise, is in JSON.
func (b *browser) eval(script string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("run %s: %v", script, err)
	}
	return string(value)
}

// everythingHasAName waits until there are no controls that nobody who does not see the page could tell apart.
func (b *browser) everythingHasAName() {
	b.t.Helper()
	b.until("have a name for everything", func(ctx context.Context, t *tab) (bool, error) {
		tree, err := cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		if err != nil {
			return false, err
		}
		var nameless []string
		for _, n := range tree.Nodes {
			if n.Ignored || n.Role == nil {
				continue
			}
			switch role := strings.Trim(string(n.Role.Value), `"`); role {
			case "button", "link", "textbox", "searchbox", "checkbox", "radio", "combobox", "table", "grid", "dialog", "img", "image", "navigation", "menuitem", "progressbar", "slider", "spinbutton", "tab", "switch":
				if n.Name == nil || strings.Trim(string(n.Name.Value), `" `) == "" {
					what, _ := of(ctx, t, n.BackendDOMNodeID, "return location.hash + ' ' + this.outerHTML.slice(0, 300)")
					nameless = append(nameless, fmt.Sprintf("a %s has no name: %s", role, what))
				}
			}
		}
		if len(nameless) > 0 {
			return false, errors.New(strings.Join(nameless, "\n"))
		}
		return true, nil
	})
}
