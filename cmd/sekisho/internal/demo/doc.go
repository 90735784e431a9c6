// Package demo holds what surrounds Sekisho in a company and that `sekisho demo` has to bring along: an identity
// provider, the company's mail server with the outside world behind it, a certificate, and sample mails. It lies
// below cmd/sekisho/internal so that nothing but the demo can reach it: a provider with passwords in memory must
// never stand before real mail.
package demo
