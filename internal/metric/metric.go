// Package metric counts what the service does, for Prometheus.
//
// It owns the registry and the rule that no content and no person's data reaches it: label values are
// short names of our own making (states, actions, reply classes), and whatever does not look like one
// is counted as "other".
package metric

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	namespace = "sekisho"
	// maxSeries bounds what one metric may cost the scraper, whatever is counted by it.
	maxSeries = 500
	other     = "other"
)

// Registry holds every metric of one process. A nil *Registry hands out counters that count nothing,
// so that a package under test needs none.
type Registry struct {
	inner *prometheus.Registry
}

// New returns a registry with the figures of the Go runtime and of the process in it, and the version.
func New(version string) *Registry {
	r := &Registry{prometheus.NewRegistry()}
	r.inner.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.Gauge("build", "Always 1; the version is the label.", []string{"version"},
		func(set func(float64, ...string)) { set(1, version) })
	return r
}

// Handler serves the metrics listener. It must never be reachable from the portal.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.inner, promhttp.HandlerOpts{
		Timeout:             10 * time.Second,
		MaxRequestsInFlight: 4,
	})
}

// Counter only goes up. A nil *Counter counts nothing.
type Counter struct {
	vec  *prometheus.CounterVec
	seen *series
}

// Counter registers sekisho_<name>_total. Registering a name twice is a mistake of the program and panics.
func (r *Registry) Counter(name, help string, labels ...string) *Counter {
	if r == nil {
		return nil
	}
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: name + "_total", Help: help,
	}, labels)
	r.inner.MustRegister(vec)
	if len(labels) == 0 {
		vec.WithLabelValues() // shown as 0 from the start, so that a rate exists for the first event
	}
	return &Counter{vec, newSeries()}
}

// Inc counts one event.
func (c *Counter) Inc(values ...string) { c.Add(1, values...) }

// Add counts n events, n >= 0.
func (c *Counter) Add(n int, values ...string) {
	if c == nil || n <= 0 {
		return
	}
	c.vec.WithLabelValues(c.seen.bound(values)...).Add(float64(n))
}

// Histogram shows how values are distributed. A nil *Histogram observes nothing.
type Histogram struct {
	vec  *prometheus.HistogramVec
	seen *series
}

// Seconds registers sekisho_<name>_seconds with buckets from 1 ms to 10 min.
func (r *Registry) Seconds(name, help string, labels ...string) *Histogram {
	return r.histogram(name+"_seconds", help, labels,
		[]float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600})
}

// Bytes registers sekisho_<name>_bytes with buckets from 1 KiB to 256 MiB.
func (r *Registry) Bytes(name, help string, labels ...string) *Histogram {
	return r.histogram(name+"_bytes", help, labels, prometheus.ExponentialBuckets(1<<10, 4, 10))
}

func (r *Registry) histogram(name, help string, labels []string, buckets []float64) *Histogram {
	if r == nil {
		return nil
	}
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
	}, labels)
	r.inner.MustRegister(vec)
	return &Histogram{vec, newSeries()}
}

// Observe records one value in the unit of the histogram's name.
func (h *Histogram) Observe(value float64, values ...string) {
	if h == nil {
		return
	}
	h.vec.WithLabelValues(h.seen.bound(values)...).Observe(value)
}

// Since records the seconds since start.
func (h *Histogram) Since(start time.Time, values ...string) {
	h.Observe(time.Since(start).Seconds(), values...)
}

// Gauge registers sekisho_<name>, asked for at each scrape: measure calls set once per combination of
// labels. It must answer quickly, from counts that are kept, not from a scan.
func (r *Registry) Gauge(name, help string, labels []string, measure func(set func(float64, ...string))) {
	if r == nil {
		return
	}
	r.inner.MustRegister(&gauge{
		desc:    prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil),
		measure: measure,
	})
}

type gauge struct {
	desc    *prometheus.Desc
	measure func(set func(float64, ...string))
}

func (g *gauge) Describe(out chan<- *prometheus.Desc) { out <- g.desc }

// Collect forgets the series of the scrape before: a state that nobody is in any more disappears.
func (g *gauge) Collect(out chan<- prometheus.Metric) {
	seen := newSeries()
	sums := map[string]float64{}
	labels := map[string][]string{}
	g.measure(func(value float64, values ...string) {
		values = seen.bound(values)
		key := joined(values)
		sums[key] += value // two that became "other" are one series
		labels[key] = values
	})
	for key, value := range sums {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value, labels[key]...)
	}
}

// series remembers which combinations of labels a metric has, to bound their number.
type series struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

func newSeries() *series { return &series{seen: map[string]struct{}{}} }

func (s *series) bound(values []string) []string {
	safe := make([]string, len(values))
	for i, value := range values {
		safe[i] = name(value)
	}
	key := joined(safe)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.seen[key]; ok {
		return safe
	}
	if len(s.seen) >= maxSeries {
		for i := range safe {
			safe[i] = other
		}
		return safe
	}
	s.seen[key] = struct{}{}
	return safe
}

// name lets through what our own code calls things. An address, a subject or a file name does not
// pass, whoever hands it in by mistake.
func name(value string) string {
	if value == "" || len(value) > 64 {
		return other
	}
	for i := range len(value) {
		c := value[i]
		ok := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '_' || c == '-' || c == '.' || c == '+'
		if !ok {
			return other
		}
	}
	return value
}

func joined(values []string) string {
	var key []byte
	for _, value := range values {
		key = append(append(key, value...), 0)
	}
	return string(key)
}
