package submission

import "github.com/sekisho-mail/sekisho/internal/metric"

// figures are what an administrator's graphs show. Labels are ports, codes and words of ours, never a client's.
type figures struct {
	bodies  *metric.Counter   // by port and reply code
	signIns *metric.Counter   // by result
	turned  *metric.Counter   // connections there was no room for
	octets  *metric.Histogram // of accepted mail
	durable *metric.Histogram // from the last octet to the 250
}

func newFigures(r *metric.Registry, s *Server) figures {
	r.Gauge("submission_connections", "SMTP connections that are open now, by port.", []string{"port"},
		func(set func(float64, ...string)) {
			for p, n := range s.connections() {
				set(float64(n), p.String())
			}
		})
	return figures{
		bodies:  r.Counter("submission_messages", "Messages whose body was sent to us, by port and reply code.", "port", "code"),
		signIns: r.Counter("submission_sign_ins", "Sign-ins tried, by result.", "result"),
		turned:  r.Counter("submission_connections_refused", "SMTP connections there was no room for."),
		octets:  r.Bytes("submission_message", "Size of accepted messages."),
		durable: r.Seconds("submission_commit", "Time to make an accepted message durable."),
	}
}

func (p port) String() string {
	return [...]string{portStartTLS: "submission", portTLS: "submission_tls", portGateway: "gateway"}[p]
}

// connections counts those open now.
func (s *Server) connections() map[port]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[port]int{portStartTLS: 0, portTLS: 0, portGateway: 0}
	for w := range s.wires {
		n[w.port]++
	}
	return n
}
