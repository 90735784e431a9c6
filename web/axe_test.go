package web

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// axe is the engine that says what people with a screen reader, a keyboard or weak eyes could not use.
var axe = sync.OnceValues(func() (string, error) {
	raw, err := os.ReadFile("testdata/axe/axe.min.js")
	return string(raw), err
})

// askAxe gives one line for each element that breaks a rule of WCAG 2.2 AA, or of what axe calls good practice.
const askAxe = `axe.run(document, {resultTypes: ["violations"], preload: false, iframes: false, ...(MORE)}).then(r =>
	r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html.slice(0, 160) + " (" + n.failureSummary.replace(/\s+/g, " ").slice(0, 200) + ")")))`

// accessible checks the page as it stands, in light and in dark.
func (b *tab) accessible(name string) {
	b.t.Helper()
	if wrong := b.barriers(); len(wrong) > 0 {
		b.t.Errorf("%s on the %s:\n%s", name, b.screen.name, strings.Join(wrong, "\n"))
	}
}

func (b *tab) barriers() (all []string) {
	b.t.Helper()
	source, err := axe()
	must(b.t, err)
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		ctx, cancel := context.WithTimeout(b.ctx, 60*time.Second)
		// Colours fade over: what is half-way is nobody's fault.
		_, err := chromedp.Run(ctx, chromedp.Evaluate[any](`document.getAnimations().forEach(a => a.finish()); if (!window.axe) {`+source+`}; null`))
		must(b.t, err)
		only := "{}"
		if scheme == "dark" { // nothing but colours is other than before
			only = `{runOnly: ["color-contrast"]}`
		}
		wrong, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](strings.Replace(askAxe, "MORE", only, 1), chromedp.EvalAwaitPromise))
		cancel()
		if err != nil {
			b.t.Fatalf("axe: %v", err)
		}
		for _, w := range wrong {
			all = append(all, scheme+" "+w)
		}
	}
	b.scheme("light")
	ask[any](b, `document.getAnimations().forEach(a => a.finish()); null`) // for the pictures
	return all
}

// Without this nobody would know that the engine runs at all.
func TestABadPageHasBarriers(t *testing.T) {
	b := chromium(t, phoneScreen())
	b.do(chromedp.Navigate(`data:text/html,<title>x</title><img src="y"><button></button><p style="color:%23999;background:white">pale</p>` +
		`<style>@media (prefers-color-scheme: dark) { h1 { color: %23111; background: black } }</style><h1>only dark</h1>`))
	found := strings.Join(b.barriers(), "\n")
	for _, want := range []string{"light image-alt", "light button-name", "light color-contrast", "light html-has-lang", "dark color-contrast: <h1>"} {
		if !strings.Contains(found, want) {
			t.Errorf("%s is not found:\n%s", want, found)
		}
	}
	if strings.Contains(found, "light color-contrast: <h1>") {
		t.Error("the dark scheme stands by day")
	}
}
