package submission

import "testing"

// TestGatewayConnectionsDoNotShutPeopleOut: nobody signs in on the gateway port, so strangers may fill it.
func TestGatewayConnectionsDoNotShutPeopleOut(t *testing.T) {
	for name, limit := range map[string]func(*Options){
		"in all":      func(o *Options) { o.Limits.Connections = 6 },
		"per address": func(o *Options) { o.Limits.ConnectionsPerAddress = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, limit)
			for range 3 {
				r.gateway()
			}
			r.raw(r.srv.Addresses().Gateway[0]).want("421 4.7.0")
			r.signed("alice@corp.example").mail(someMail)
		})
	}
}
