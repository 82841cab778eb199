package script

import (
	"fmt"
	"strings"
	"sync"

	"github.com/dop251/goja"

	"github.com/tododb/tododb/store/jsonscan"
)

// modules are the CommonJS modules of a design document. They are strings anywhere in it, named
// by their path; a map function sees only those below views.lib.
type modules struct {
	doc []byte // JSON object where the paths begin

	mu       sync.Mutex
	compiled map[string]compiledModule // by path
}

type compiledModule struct {
	program *goja.Program
	err     error
}

func newModules(doc []byte) *modules {
	return &modules{doc: doc, compiled: map[string]compiledModule{}}
}

// program compiles a module once for all runtimes.
func (m *modules) program(path, source string) (*goja.Program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.compiled[path]
	if !ok {
		c.program, c.err = compileModule(path, source)
		m.compiled[path] = c
	}
	return c.program, c.err
}

// require is the function that functions call; names with a leading dot begin at dir.
func (rt *runtime) require(dir []string, name goja.Value) goja.Value {
	exports, err := rt.load(dir, text(name))
	if err != nil {
		panic(rt.js.ToValue(err))
	}
	return exports
}

func (rt *runtime) load(dir []string, name string) (goja.Value, *Error) {
	path := resolveModule(dir, name)
	source, ok := moduleSource(rt.modules.doc, path)
	if !ok {
		return nil, &Error{Kind: Named, Word: "invalid_require_path",
			Reason: fmt.Sprintf("Object has no property %q that is a module.", name)}
	}
	id := strings.Join(path, "/")
	if l, ok := rt.loadedModules[id]; ok {
		return l.Get("exports"), nil
	}
	p, err := rt.modules.program(id, source)
	if err != nil {
		return nil, rt.errorOf(err)
	}
	v, err := rt.js.RunProgram(p)
	if err != nil {
		return nil, rt.errorOf(err)
	}
	body, ok := goja.AssertFunction(v)
	if !ok {
		return nil, compilationError("Module require('%s') is no module", name)
	}
	module, exports := rt.js.NewObject(), rt.js.NewObject()
	from := path[:len(path)-1]
	require := rt.js.ToValue(func(c goja.FunctionCall) goja.Value { return rt.require(from, c.Argument(0)) })
	for name, v := range map[string]goja.Value{"exports": exports, "id": rt.js.ToValue(id)} {
		if err := module.Set(name, v); err != nil {
			return nil, rt.errorOf(err)
		}
	}
	// It is stored before it runs, so that modules may require each other.
	rt.loadedModules[id] = module
	if _, err := body(exports, module, exports, require); err != nil {
		delete(rt.loadedModules, id)
		return nil, rt.errorOf(err)
	}
	return module.Get("exports"), nil
}

// resolveModule turns a name into a path.
func resolveModule(dir []string, name string) []string {
	var path []string
	if strings.HasPrefix(name, ".") {
		path = append(path, dir...)
	}
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			path = path[:max(len(path)-1, 0)]
		default:
			path = append(path, part)
		}
	}
	return path
}

// moduleSource finds the string at a path.
func moduleSource(doc []byte, path []string) (string, bool) {
	value := doc
	for _, name := range path {
		if value = memberOf(value, name); value == nil {
			return "", false
		}
	}
	source, err := jsonscan.Text(value)
	return source, err == nil && len(path) > 0
}

// memberOf finds a member of a checked object; nil if there is none.
func memberOf(object []byte, name string) (value []byte) {
	if jsonscan.Kind(object) != '{' {
		return nil
	}
	_ = jsonscan.EachMember(object, func(n, v []byte) error {
		if string(n) == name {
			value = v
		}
		return nil
	})
	return value
}
