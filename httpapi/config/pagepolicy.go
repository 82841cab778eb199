package config

// pagePolicy is what the web page may do in a browser: run its own scripts and ask its own server,
// and nothing else. blob: is for attachments that it shows, and for PDF in a frame.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; " +
	"font-src 'self'; frame-src blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
