package submission

import (
	"context"
	"time"
)

// crowdShare is the part of connections_per_address from which a node tells the others of an address. What stays
// below is not shared: an address may have up to that much more on every further node.
const crowdShare = 8

// Share exchanges counts of connections with the other nodes once a second until ctx ends. Without a Ledger it only
// waits.
func (s *Server) Share(ctx context.Context) error {
	if s.o.Ledger == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(ledgerPause)
	defer tick.Stop()
	told := map[string]string{} // subjects by place
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		s.tellCrowds(told, now)
		elsewhere, err := s.o.Ledger.all(ctx, tallyConnections, now)
		if err != nil {
			if ctx.Err() == nil {
				s.log.Error("connections at other nodes not read; this one counts alone", "error", err)
			}
			elsewhere = nil
		}
		s.mu.Lock()
		s.elsewhere = elsewhere
		s.mu.Unlock()
	}
}

// tellCrowds notes the addresses with many connections, and those that no longer have them.
func (s *Server) tellCrowds(told map[string]string, now time.Time) {
	s.mu.Lock()
	crowds := map[string]int{}
	for place, n := range s.perPlace {
		if n*crowdShare >= s.limits.ConnectionsPerAddress {
			crowds[place] = n
		}
	}
	s.mu.Unlock()
	for place, subject := range told {
		if crowds[place] == 0 {
			s.o.Ledger.put(tallyLine{kind: tallyConnections, subject: subject}, tallied{ends: now})
			delete(told, place)
		}
	}
	for place, n := range crowds {
		if told[place] == "" {
			told[place] = s.o.Ledger.subject(tallyConnections, place)
		}
		// A node that dies is forgotten after a few turns.
		s.o.Ledger.put(tallyLine{kind: tallyConnections, subject: told[place]}, tallied{int64(n), now.Add(10 * time.Second)})
	}
}

// crowdElsewhere is how many connections the other nodes have from a place; s.mu is held.
func (s *Server) crowdElsewhere(place string) int {
	if len(s.elsewhere) == 0 {
		return 0
	}
	return s.elsewhere[s.o.Ledger.subject(tallyConnections, place)]
}
