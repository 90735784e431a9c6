package metric

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func scrape(t *testing.T, r *Registry) string {
	t.Helper()
	server := httptest.NewServer(r.Handler())
	defer server.Close()
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("scrape: %d %v", answer.StatusCode, err)
	}
	return string(page)
}

func wantLine(t *testing.T, page, line string) {
	t.Helper()
	for got := range strings.SplitSeq(page, "\n") {
		if got == line {
			return
		}
	}
	t.Errorf("no line %q in:\n%s", line, sekishoLines(page))
}

func sekishoLines(page string) string {
	var kept []string
	for line := range strings.SplitSeq(page, "\n") {
		if strings.Contains(line, "sekisho_") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func TestScrapeShowsWhatWasCounted(t *testing.T) {
	r := New("1.2.3")
	accepted := r.Counter("accepted", "Mails answered with 250.", "listener")
	accepted.Inc("submission")
	accepted.Add(2, "submission")
	r.Counter("refused", "Mails refused.")
	inspected := r.Seconds("inspect", "Time of one inspection.")
	inspected.Observe(0.2)
	inspected.Since(time.Now())
	r.Bytes("message", "Size of accepted mails.").Observe(3000)
	r.Gauge("recipients", "Recipients by state.", []string{"state"}, func(set func(float64, ...string)) {
		set(4, "held")
		set(1, "delayed")
	})
	page := scrape(t, r)
	wantLine(t, page, `sekisho_accepted_total{listener="submission"} 3`)
	wantLine(t, page, `sekisho_refused_total 0`)
	wantLine(t, page, `sekisho_inspect_seconds_count 2`)
	wantLine(t, page, `sekisho_message_bytes_bucket{le="4096"} 1`)
	wantLine(t, page, `sekisho_recipients{state="held"} 4`)
	wantLine(t, page, `sekisho_build{version="1.2.3"} 1`)
	if !strings.Contains(page, "go_goroutines") {
		t.Error("the runtime's own figures are missing")
	}
}

func TestPersonalDataNeverBecomesALabel(t *testing.T) {
	r := New("dev")
	ended := r.Counter("ended", "Recipients by end.", "state")
	for _, value := range []string{"hanako@corp.example", "見積書.pdf", "two words", "", strings.Repeat("a", 65)} {
		ended.Inc(value)
	}
	page := scrape(t, r)
	wantLine(t, page, `sekisho_ended_total{state="other"} 5`)
	if strings.Contains(page, "hanako") || strings.Contains(page, "見積") {
		t.Error("a label shows content")
	}
}

func TestOneMetricCannotGrowWithoutBound(t *testing.T) {
	r := New("dev")
	c := r.Counter("names", "Events by name.", "name")
	for i := range maxSeries + 50 {
		c.Inc(fmt.Sprint("n", i))
	}
	page := scrape(t, r)
	wantLine(t, page, `sekisho_names_total{name="other"} 50`)
	wantLine(t, page, `sekisho_names_total{name="n0"} 1`)
}

func TestGaugeForgetsWhatIsGone(t *testing.T) {
	r := New("dev")
	state := "held"
	r.Gauge("waiting", "Recipients by state.", []string{"state"}, func(set func(float64, ...string)) { set(1, state) })
	wantLine(t, scrape(t, r), `sekisho_waiting{state="held"} 1`)
	state = "delayed"
	if page := scrape(t, r); strings.Contains(page, `state="held"`) {
		t.Error("a state nobody is in any more is still shown")
	}
}

func TestWithoutRegistryNothingIsCountedAndNothingBreaks(t *testing.T) {
	var r *Registry
	r.Counter("a", "a", "b").Inc("c")
	r.Seconds("a", "a").Since(time.Now())
	r.Gauge("a", "a", nil, func(func(float64, ...string)) { t.Error("measured") })
}
