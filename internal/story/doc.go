// Package story holds nothing but tests: the stories of testdata, told against the whole product. Each runs the
// built program as a child process with a configuration of its own, and reaches it only through the doors that
// people and other programs use: SMTP, the pages, the portal, the command line, and what arrives at the next hop.
package story
