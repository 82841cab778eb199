package wire

// NodeName is what a process is called in answers, as CouchDB calls a node. One that is alone, and so has
// no name, is called what a single CouchDB calls itself; clients put that into /_node/{name}.
func NodeName(process string) string {
	if process == "" {
		return "nonode@nohost"
	}
	return "tododb@" + process
}
