package httpapi_test

import (
	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/httpapitest"
)

// Names that the tests of this package use often.
type (
	Server  = httpapitest.Server
	Options = httpapi.Options
	docStep = httpapitest.DocStep
	step    = httpapitest.Step
)

var (
	openServer    = httpapitest.Open
	openDBServer  = httpapitest.OpenDB
	openWithUsers = httpapitest.OpenWithUsers
	openWithDB    = httpapitest.OpenWithDB
	putUser       = httpapitest.PutUser
	quickHashes   = httpapitest.QuickHashes
	settings      = httpapitest.Settings
	set           = httpapitest.Set
	call          = httpapitest.Call
	wants         = httpapitest.Wants
	textOf        = httpapitest.Text
	revOf         = httpapitest.RevOf
	basicAuth     = httpapitest.BasicAuth
	as            = httpapitest.As
	issue         = httpapitest.Issue
	issueTo       = httpapitest.IssueTo
	runDocSteps   = httpapitest.RunDocSteps
	runSteps      = httpapitest.RunSteps
)
