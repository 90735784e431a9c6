// Package submission owns the dialogue with those who hand mail to us: listeners, TLS, AUTH, who may send as
// whom, limits, and the few changes made to a header on the way in. It is the only place that knows SMTP reply
// codes for clients; they all stand in reply.go.
//
// It must not know what a mail says beyond its header block, nor who is whose manager. It is given people,
// passwords and a place to write to.
//
// The SMTP verbs and their parameters are read by emersion/go-smtp. Between it and the network stands our own
// wire (wire.go), which frames commands and bodies, refuses whatever two servers could read differently, and
// keeps the order of commands. go-smtp never sees a byte that the wire has not passed.
package submission
