package httpapi

// attachmentMethods is what can be done with an attachment: nothing yet but to be told so.
func (s *Server) attachmentMethods() methods {
	return on("DELETE,GET,HEAD,PUT", "GET,PUT,DELETE", s.unbuiltInDB)
}

// designRest answers what lies below a design document: its functions, which are not
// built yet.
func (s *Server) designRest() methods {
	return on("DELETE,GET,HEAD,POST,PUT", "GET,POST,PUT,DELETE", s.unbuiltInDB)
}
