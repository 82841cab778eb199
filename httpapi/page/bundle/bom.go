package main

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

// addToBill adds the npm packages of which something is in the page to a bill of materials in CycloneDX's
// form. The program in the bill depends on them.
func addToBill(dir, file string) error {
	used, err := packagesUsed(dir)
	if err != nil {
		return err
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	var bill cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(in, cyclonedx.BOMFileFormatJSON).Decode(&bill); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if bill.Metadata == nil || bill.Metadata.Component == nil {
		return fmt.Errorf("%s names no program", file)
	}
	var refs []string
	for _, one := range used {
		c, err := one.component()
		if err != nil {
			return err
		}
		bill.Components = appended(bill.Components, c)
		bill.Dependencies = appended(bill.Dependencies, cyclonedx.Dependency{Ref: c.BOMRef})
		refs = append(refs, c.BOMRef)
	}
	program := bill.Metadata.Component.BOMRef
	i := slices.IndexFunc(*bill.Dependencies, func(d cyclonedx.Dependency) bool { return d.Ref == program })
	if i < 0 {
		return fmt.Errorf("%s does not say what %s depends on", file, program)
	}
	(*bill.Dependencies)[i].Dependencies = appended((*bill.Dependencies)[i].Dependencies, refs...)
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(cyclonedx.NewBOMEncoder(out, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(&bill, bill.SpecVersion), out.Close())
}

func appended[T any](list *[]T, more ...T) *[]T {
	if list == nil {
		return &more
	}
	all := append(*list, more...)
	return &all
}

// locked is a package as package-lock.json has it.
type locked struct {
	name      string
	Version   string
	License   string
	Integrity string
}

// packagesUsed lists the packages that esbuild put something of into the page, by name.
func packagesUsed(dir string) ([]locked, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	_, inputs, err := build(dir)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	var lock struct{ Packages map[string]locked }
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("package-lock.json: %w", err)
	}
	const modules = "node_modules/"
	found := map[string]locked{}
	for _, input := range inputs {
		at := strings.LastIndex(input, modules)
		if at < 0 {
			continue // our own
		}
		parts := strings.SplitN(input[at+len(modules):], "/", 3)
		name := parts[0]
		if strings.HasPrefix(name, "@") && len(parts) > 1 {
			name += "/" + parts[1]
		}
		one, is := lock.Packages[input[:at+len(modules)]+name]
		if !is {
			return nil, fmt.Errorf("package-lock.json lacks %s, which is in the page", name)
		}
		one.name = name
		found[name+"@"+one.Version] = one
	}
	var list []locked
	for _, one := range found {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b locked) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.Version, b.Version))
	})
	return list, nil
}

// component describes a package.
func (p *locked) component() (c cyclonedx.Component, err error) {
	group, name := "", p.name
	if strings.HasPrefix(name, "@") {
		group, name, _ = strings.Cut(name, "/")
	}
	id := "pkg:npm/" + name + "@" + p.Version
	if group != "" {
		id = "pkg:npm/" + strings.ReplaceAll(url.PathEscape(group), "@", "%40") + "/" + name + "@" + p.Version
	}
	c = cyclonedx.Component{
		BOMRef: id, Type: cyclonedx.ComponentTypeLibrary, Group: group, Name: name, Version: p.Version,
		Scope: cyclonedx.ScopeRequired, PackageURL: id,
	}
	if p.License != "" {
		c.Licenses = &cyclonedx.Licenses{{License: &cyclonedx.License{ID: p.License}}}
		if strings.ContainsAny(p.License, " ()") {
			c.Licenses = &cyclonedx.Licenses{{Expression: p.License}}
		}
	}
	sum, is := strings.CutPrefix(p.Integrity, "sha512-")
	if !is {
		return c, fmt.Errorf("package-lock.json has no SHA-512 of %s", p.name)
	}
	digest, err := base64.StdEncoding.DecodeString(sum)
	if err != nil {
		return c, fmt.Errorf("package-lock.json: the sum of %s: %w", p.name, err)
	}
	c.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA512, Value: hex.EncodeToString(digest)}}
	return c, nil
}
