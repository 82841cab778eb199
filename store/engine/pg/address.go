package pg

import (
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// parse reads where a server is. Its error says what is wrong and has nothing of the password, which may be
// what is wrong.
func parse(address string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(address)
	if err == nil {
		return cfg, nil
	}
	text := err.Error()
	for _, secret := range secrets(address) {
		text = strings.ReplaceAll(text, secret, "...")
	}
	return nil, errors.New(text)
}

// secrets are the forms in which an address may have its password, whether or not it is a URL that can be read.
func secrets(address string) (all []string) {
	add := func(s string) {
		if s == "" {
			return
		}
		all = append(all, s)
		if plain, err := url.QueryUnescape(s); err == nil && plain != s {
			all = append(all, plain)
		}
		if plain, err := url.PathUnescape(s); err == nil && plain != s {
			all = append(all, plain)
		}
		// An escape that is none is quoted alone, with what follows it.
		for i := range len(s) {
			if s[i] == '%' {
				all = append(all, s[i:min(i+3, len(s))])
			}
		}
	}
	_, rest, _ := strings.Cut(address, "://")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		_, password, _ := strings.Cut(rest[:at], ":")
		add(password)
		for part := range strings.SplitSeq(password, "@") { // what a reader takes for the host
			if len(part) > 2 {
				add(part)
			}
		}
	}
	_, query, _ := strings.Cut(rest, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(pair, "="); strings.Contains(strings.ToLower(name), "password") {
			add(value)
		}
	}
	return all
}
