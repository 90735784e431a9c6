package web

import "context"

// healthz says that the process answers.
func (s *site) healthz(context.Context, *Request) (Response, error) {
	return &plain{kind: "text/plain; charset=utf-8", body: []byte("ok\n")}, nil
}

// readyz says whether the product may take mail. The reason goes to the log:
// the address is open to anybody.
func (s *site) readyz(ctx context.Context, r *Request) (Response, error) {
	if s.Ready != nil {
		if err := s.Ready(ctx); err != nil {
			s.Log.Warn("not ready", "error", err)
			return &plain{code: codeUnavailable, kind: "text/plain; charset=utf-8", body: []byte("not ready\n")}, nil
		}
	}
	return s.healthz(ctx, r)
}
