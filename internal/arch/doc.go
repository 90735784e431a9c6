// Package arch holds no code, only the test that keeps the packages apart: who
// may import whom, and which outside library belongs to which package, with the
// reason beside each line. docs/flow.md tells the same in prose.
package arch
