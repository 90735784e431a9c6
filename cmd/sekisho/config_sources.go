package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission"
)

// Sources are the gateway sources with their secrets read. The error joins
// what is wrong with any of them.
func (c *Config) Sources() ([]submission.Source, error) {
	var sources []submission.Source
	var wrong []error
	for i := range c.Submission.Gateway.Sources {
		s, err := c.Submission.Gateway.Sources[i].source()
		if err == nil {
			err = s.Check()
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		sources = append(sources, s)
	}
	return sources, errors.Join(wrong...)
}

func (s *SourceConf) source() (submission.Source, error) {
	out := submission.Source{Name: s.Name, Kind: submission.Kind(s.Kind), Senders: s.Senders, Owner: mailaddr.Address(s.Owner), RequireTLS: s.RequireTLS}
	for _, n := range s.Networks {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			return out, fmt.Errorf("gateway source %s: %q is no network", s.Name, n)
		}
		out.Networks = append(out.Networks, prefix)
	}
	h := s.RequireHeader
	if h.Name == "" {
		return out, nil
	}
	out.Header = &submission.RequiredHeader{Name: h.Name, Value: h.Value, Public: h.ValueFile == ""}
	if h.ValueFile != "" {
		secret, err := readSecret(h.ValueFile)
		if err != nil {
			return out, fmt.Errorf("gateway source %s: %w", s.Name, err)
		}
		out.Header.Value = secret
	}
	return out, nil
}
