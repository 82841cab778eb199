package page

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Texts can be read on what they stand on, in light and dark: WCAG asks for a contrast of 4.5.
func TestContrast(t *testing.T) {
	css, err := os.ReadFile("src/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light := palette(t, string(css), ":root {")
	dark := palette(t, string(css), `:root[data-theme="dark"] {`)
	everywhere := []string{"ground", "raised", "field", "hover", "selection", "accent-soft", "good-soft", "warning-soft", "danger-soft"}
	pairs := map[string][]string{
		"text": everywhere, "faint": everywhere,
		"accent": {"ground", "raised", "hover", "accent-soft", "good-soft", "warning-soft", "danger-soft"},
		"good":   {"ground", "raised", "good-soft"}, "warning": {"ground", "raised", "warning-soft"}, "danger": {"ground", "raised", "hover", "danger-soft"},
		"accent-text": {"accent"},
		"code-name":   {"field", "raised", "selection"}, "code-string": {"field", "raised", "selection"}, "code-number": {"field", "raised", "selection"}, "code-word": {"field", "raised", "selection"},
	}
	for theme, colours := range map[string]map[string]float64{"light": light, "dark": dark} {
		for text, grounds := range pairs {
			for _, ground := range grounds {
				a, b := colours[text], colours[ground]
				if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
					t.Errorf("%s: %s on %s has a contrast of %.2f", theme, text, ground, ratio)
				}
			}
		}
	}
}

// palette returns the luminance of each colour of a rule.
func palette(t *testing.T, css, rule string) map[string]float64 {
	t.Helper()
	_, rest, is := strings.Cut(css, rule)
	if !is {
		t.Fatalf("no %s", rule)
	}
	body, _, _ := strings.Cut(rest, "}")
	found := map[string]float64{}
	for _, m := range regexp.MustCompile(`--([\w-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(body, -1) {
		rgb, err := strconv.ParseUint(m[2], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		part := func(shift int) float64 {
			c := float64(rgb>>shift&0xff) / 255
			if c <= 0.03928 {
				return c / 12.92
			}
			return math.Pow((c+0.055)/1.055, 2.4)
		}
		found[m[1]] = 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
	}
	if len(found) < 20 {
		t.Fatalf("%s has only %d colours", rule, len(found))
	}
	return found
}
