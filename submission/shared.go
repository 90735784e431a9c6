package submission

import "net/netip"

// sharedBy names the provider all of whose customers send from addresses of a network, "" when we know none. The
// providers publish the lists (SPF of spf.protection.outlook.com and _spf.google.com); a range that is missing here is
// no safer, so the documentation says the same in words.
func sharedBy(network netip.Prefix) string {
	for _, p := range []struct {
		name   string
		ranges []string
	}{
		{"Exchange Online", []string{"40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17", "2a01:111:f400::/48", "2a01:111:f403::/48"}},
		{"Google Workspace", []string{"35.190.247.0/24", "64.233.160.0/19", "66.102.0.0/20", "66.249.80.0/20", "72.14.192.0/18", "74.125.0.0/16",
			"108.177.0.0/17", "172.217.0.0/16", "172.253.0.0/16", "173.194.0.0/16", "209.85.128.0/17", "216.58.192.0/19", "216.239.32.0/19",
			"2001:4860:4000::/36", "2404:6800:4000::/36", "2607:f8b0:4000::/36", "2800:3f0:4000::/36", "2a00:1450:4000::/36", "2c0f:fb50:4000::/36"}},
	} {
		for _, text := range p.ranges {
			if netip.MustParsePrefix(text).Overlaps(network) {
				return p.name
			}
		}
	}
	return ""
}
