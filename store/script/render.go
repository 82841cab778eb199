package script

import "github.com/dop251/goja"

type answer struct{}
type formats struct{}

func newFormats() *formats                                      { return &formats{} }
func (rt *runtime) jsStart(goja.FunctionCall) goja.Value        { return goja.Undefined() }
func (rt *runtime) jsSend(goja.FunctionCall) goja.Value         { return goja.Undefined() }
func (rt *runtime) jsGetRow(goja.FunctionCall) goja.Value       { return goja.Null() }
func (rt *runtime) jsProvides(goja.FunctionCall) goja.Value     { return goja.Undefined() }
func (rt *runtime) jsRegisterType(goja.FunctionCall) goja.Value { return goja.Undefined() }
