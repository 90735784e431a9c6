// Package policy decides what happens to a mail: facts and findings in, one
// verdict per recipient with its reasons out.
//
// It owns the rule file, its lists, layers and tests. It is pure: no clock, no
// disk, no network, and it knows neither MIME nor SQL. Whoever calls it turns
// a message into Facts and carries the Verdict out.
//
// All rules run and the strictest result wins for each recipient, so the order
// of rules never matters.
package policy
