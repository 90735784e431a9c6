// Package linkify owns files that leave a mail and the links that stand in for them: what is taken out, the
// notice put in its place, the stored files, tokens, one-time codes, downloads, expiry and revocation.
//
// It knows nothing of SMTP, of the states of a mail or of pages: it is told when a mail leaves, fails or is
// stopped, and it tells the portal what to show.
//
// The rules that must never break: a retry of the same mail to the same recipient gives the same bytes
// (DESIGN 7.3); a link answers only after its mail has left and only until it is revoked or expired; looking
// at a page changes nothing, and only bytes that were really taken count as taken.
package linkify
