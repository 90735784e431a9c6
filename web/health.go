package web

import (
	"context"
	"slices"
	"strings"
)

// healthz says that the process answers.
func (s *site) healthz(context.Context, *Request) (Response, error) {
	return &plain{kind: "text/plain; charset=utf-8", body: []byte("ok\n")}, nil
}

// readyz says whether the product may take mail and bring it on its way, and
// which parts of it are down. Why stands in the log only: the address is open to
// anybody, and an error may name hosts, paths and accounts.
func (s *site) readyz(ctx context.Context, r *Request) (Response, error) {
	if s.Ready != nil {
		if err := s.Ready(ctx); err != nil {
			s.Log.Warn("not ready", "error", err)
			text := "not ready"
			if down := partsDown(err); len(down) > 0 {
				text += ": " + strings.Join(down, ", ")
			}
			return &plain{code: codeUnavailable, kind: "text/plain; charset=utf-8", header: map[string]string{"Retry-After": "30"}, body: []byte(text + "\n")}, nil
		}
	}
	return s.healthz(ctx, r)
}

// partsDown are the parts an error of Deps.Ready names, in a fixed order. Only
// their names leave the house.
func partsDown(err error) []string {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	var down []string
	for _, part := range []string{"database", "files", "disk", "relay"} {
		if slices.ContainsFunc(all, func(e error) bool { return strings.HasPrefix(e.Error(), part+": ") }) {
			down = append(down, part)
		}
	}
	return down
}
