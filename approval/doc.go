// Package approval lets people decide what a rule did not dare to decide
// alone. It owns the people and their deputies, the business calendar, the
// questions put to approvers, their decisions, and every notice that tells
// somebody where a mail stands.
//
// It must not know SMTP, HTML pages or the grammar of rules. Mail states
// belong to package holdqueue: a decision is one transaction in which approval
// writes its own rows and asks the queue to turn the recipients.
package approval
