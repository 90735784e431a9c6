package web

import (
	"slices"
	"testing"
)

// Where staff pages and portal share a listener, the path alone says whose a request is.
func TestEveryRouteOfThePortalIsTheirsOnASharedListener(t *testing.T) {
	var both []string // what either answers alike
	for _, r := range (&staff{}).routes() {
		if OnPortal(r.path) {
			t.Errorf("%s of the staff would go to the portal", r.path)
		}
		both = append(both, r.path)
	}
	for _, r := range (&portal{}).routes() {
		if !OnPortal(r.path) && !slices.Contains(both, r.path) {
			t.Errorf("%s of the portal would go to the staff pages", r.path)
		}
	}
}
