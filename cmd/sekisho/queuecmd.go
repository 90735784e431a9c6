package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// QueueCmd is the administrator's hands on waiting mail. It works on the database, beside a running service or
// without one, and never asks the identity provider.
type QueueCmd struct {
	List    QueueListCmd    `cmd:"" help:"List mail, the newest first."`
	Show    QueueShowCmd    `cmd:"" help:"Show one mail: recipients, states, reasons. Never its content."`
	Cancel  QueueCancelCmd  `cmd:"" help:"Take back mail that has not left: by id, or all of one person's."`
	Release QueueReleaseCmd `cmd:"" help:"Let held mail go, and end the delay of waiting mail."`
	Retry   QueueRetryCmd   `cmd:"" help:"Try deferred mail again now."`
	Pause   QueuePauseCmd   `cmd:"" help:"Go on taking mail and release nothing."`
	Resume  QueueResumeCmd  `cmd:"" help:"Release mail again."`
	Nodes   QueueNodesCmd   `cmd:"" help:"List the nodes that serve on this database, and whether they work by the same files."`
	Export  QueueExportCmd  `cmd:"" help:"Write one mail as .eml. This opens its content and is audited."`
}

// QueueFlags are common to all of them.
type QueueFlags struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration file."`
	JSON   bool   `name:"json" help:"Print JSON, one object per line."`
}

// Why is asked by everything that changes or opens something.
type Why struct {
	Reason string `required:"" placeholder:"TEXT" help:"Why; it stands in the audit log beside your user name."`
}

// open gives the house to one command.
func (f QueueFlags) open(ctx context.Context, out *Streams, do func(*house) error) error {
	c, err := LoadConfig(f.Config)
	if err != nil {
		return err
	}
	// Neither a policy file nor a people file with mistakes must tie the administrator's hands: there is no inspector
	// here, and without people notices go to bare addresses.
	people := func(h *house, ctx context.Context) error {
		err := h.openPeople(ctx)
		if err == nil {
			return nil
		}
		fmt.Fprintf(out.Err, "%v\nGoing on without it: nobody's name, alias or manager is known.\n", err)
		return h.knowNobody()
	}
	h, err := openHouseWith(ctx, c, out.Program, newLog(LogConf{Format: "text", Level: "error"}, out), people)
	if err != nil {
		return err
	}
	defer h.close()
	return do(h)
}

// operator is who types: the audit log names the user of the operating system.
func operator() holdqueue.Actor {
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return "os:unknown"
	}
	return holdqueue.Actor("os:" + u.Username)
}

// QueueListCmd lists.
type QueueListCmd struct {
	QueueFlags
	Person string   `placeholder:"ADDRESS" help:"Only this person's mail."`
	State  []string `placeholder:"STATE" help:"Only mail with a recipient in this state: received, held, delayed, sending, deferred, sent, failed, refused, cancelled, rejected, expired."`
	All    bool     `help:"Also mail that has ended."`
	Limit  int      `default:"100" help:"At most so many."`
}

// Run lists.
func (c *QueueListCmd) Run(ctx context.Context, out *Streams) error {
	return c.open(ctx, out, func(h *house) error {
		f := holdqueue.Filter{Person: mailaddr.Address(c.Person).Key(), Open: !c.All && len(c.State) == 0, Limit: c.Limit}
		for _, s := range c.State {
			if !slices.Contains(holdqueue.States(), holdqueue.State(s)) {
				return fmt.Errorf("there is no state %q", s)
			}
			f.States = append(f.States, holdqueue.State(s))
		}
		page, next, err := h.queue.List(ctx, f)
		if err != nil {
			return err
		}
		if err := c.print(ctx, out.Out, h, page); err != nil {
			return err
		}
		if next.ID != "" && !c.JSON {
			fmt.Fprintln(out.Out, "... and more: use --limit, --person or --state")
		}
		return nil
	})
}

func (c *QueueListCmd) print(ctx context.Context, w io.Writer, h *house, page []*holdqueue.Message) error {
	if c.JSON {
		for _, m := range page {
			if err := printJSON(w, h.line(m)); err != nil {
				return err
			}
		}
		return nil
	}
	if p, err := h.queue.Paused(ctx); err != nil {
		return err
	} else if p != nil {
		fmt.Fprintf(w, "PAUSED by %s since %s: %s\n", p.By, p.At.Local().Format(time.DateTime), printable(p.Reason))
	}
	if len(page) == 0 {
		fmt.Fprintln(w, "no mail")
		return nil
	}
	t := tabwriter.NewWriter(w, 2, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tACCEPTED\tPERSON\tSTATES\tTO")
	for _, m := range page {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.ID, m.AcceptedAt.Local().Format(time.DateTime), m.Person, stateCounts(m), shownTo(m))
	}
	return t.Flush()
}

// queueLine is one mail in JSON; members are added, never renamed.
type queueLine struct {
	ID         string           `json:"id"`
	AcceptedAt time.Time        `json:"accepted_at"`
	Person     string           `json:"person"`
	MailFrom   string           `json:"mail_from"`
	Origin     string           `json:"origin"`
	Source     string           `json:"source,omitempty"`
	Family     string           `json:"family"`
	Copies     []string         `json:"copies,omitempty"` // ids it arrived as, where upstream split it
	Size       int64            `json:"size"`
	Recipients []queueRecipient `json:"recipients"`
}

type queueRecipient struct {
	ID        string     `json:"id"`
	Message   string     `json:"message"` // the copy it belongs to
	Address   string     `json:"address"`
	State     string     `json:"state"`
	ReleaseAt *time.Time `json:"release_at,omitempty"`
	NextTryAt *time.Time `json:"next_try_at,omitempty"`
	Stopped   bool       `json:"stopped,omitempty"`
	Uncertain bool       `json:"uncertain,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Reasons   []string   `json:"reasons,omitempty"`
	Rules     []string   `json:"rules,omitempty"`
	Reply     string     `json:"reply,omitempty"`
	Tries     int        `json:"tries,omitempty"`
}

func (h *house) line(m *holdqueue.Message) queueLine {
	l := queueLine{ID: m.ID, AcceptedAt: m.AcceptedAt, Person: string(m.Person), MailFrom: string(m.MailFrom),
		Origin: string(m.Origin), Source: m.Source, Family: m.Family, Copies: m.Copies, Size: m.Size}
	for _, r := range m.Recipients {
		q := queueRecipient{ID: r.ID, Message: r.Message, Address: string(r.Address), State: string(r.State), Stopped: r.Stopped, Uncertain: r.Uncertain,
			Reason: string(r.Reason), Reply: r.Reply, Tries: r.Tries}
		switch r.State {
		case holdqueue.Delayed:
			q.ReleaseAt = &r.ReleaseAt
		case holdqueue.Deferred:
			q.NextTryAt = &r.NextTryAt
		}
		if k, err := keptOf(r); err == nil {
			q.Rules = k.Rules
			for _, why := range k.Reasons {
				q.Reasons = append(q.Reasons, why.In(h.config.Organization.Language))
			}
		}
		l.Recipients = append(l.Recipients, q)
	}
	return l
}

func stateCounts(m *holdqueue.Message) string {
	counts := map[string]int{}
	var order []string
	for _, r := range m.Recipients {
		s := string(r.State)
		if r.Stopped && r.State == holdqueue.Delayed {
			s = "stopped"
		}
		if counts[s]++; counts[s] == 1 {
			order = append(order, s)
		}
	}
	for i, s := range order {
		if counts[s] > 1 {
			order[i] = fmt.Sprintf("%s×%d", s, counts[s])
		}
	}
	return strings.Join(order, ",")
}

func shownTo(m *holdqueue.Message) string {
	if len(m.Recipients) == 0 {
		return ""
	}
	s := printable(string(m.Recipients[0].Address))
	if more := len(m.Recipients) - 1; more > 0 {
		s += fmt.Sprintf(" +%d", more)
	}
	return s
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// QueueShowCmd shows.
type QueueShowCmd struct {
	QueueFlags
	ID string `arg:"" help:"Id of the mail, as the 250 named it."`
}

// Run shows.
func (c *QueueShowCmd) Run(ctx context.Context, out *Streams) error {
	return c.open(ctx, out, func(h *house) error {
		m, err := h.find(ctx, c.ID)
		if err != nil {
			return err
		}
		l := h.line(m)
		if c.JSON {
			return printJSON(out.Out, l)
		}
		fmt.Fprintf(out.Out, "%s\naccepted  %s\nperson    %s\nfrom      <%s>\norigin    %s %s\nsize      %d octets\n", l.ID,
			l.AcceptedAt.Local().Format(time.DateTime), l.Person, l.MailFrom, l.Origin, l.Source, l.Size)
		if n := len(l.Copies); n > 0 {
			fmt.Fprintf(out.Out, "copies    %d, as the source split it: %s\n", n, strings.Join(l.Copies, " "))
		}
		for _, r := range l.Recipients {
			fmt.Fprintf(out.Out, "\n<%s>  %s  %s\n", printable(r.Address), r.State, r.ID)
			if r.ReleaseAt != nil {
				fmt.Fprintf(out.Out, "    leaves     %s\n", r.ReleaseAt.Local().Format(time.DateTime))
			}
			if r.NextTryAt != nil {
				fmt.Fprintf(out.Out, "    next try   %s (tried %d times)\n", r.NextTryAt.Local().Format(time.DateTime), r.Tries)
			}
			for _, why := range r.Reasons {
				fmt.Fprintf(out.Out, "    because    %s\n", printable(why))
			}
			if r.Reply != "" {
				fmt.Fprintf(out.Out, "    answer     %s\n", printable(r.Reply))
			}
			if r.Uncertain {
				fmt.Fprintln(out.Out, "    uncertain  an attempt whose end nobody saw may have delivered it")
			}
		}
		return nil
	})
}

// find gives a whole mail of the company by the id of any of its copies, or an error a person understands.
func (h *house) find(ctx context.Context, id string) (*holdqueue.Message, error) {
	m, err := h.queue.Whole(ctx, id)
	if errors.Is(err, db.ErrNotFound) || err == nil && m.Origin == holdqueue.FromSystem {
		return nil, fmt.Errorf("there is no mail %s", printable(id))
	}
	return m, err
}

// verb is what Cancel, Release and Retry have in common: mails by id, outcomes one by one, and a reason on record.
func (f QueueFlags) verb(ctx context.Context, out *Streams, why Why, ids []string, done string,
	do func(h *house, id string) ([]holdqueue.Outcome, error)) error {
	return f.open(ctx, out, func(h *house) error { return f.carryOut(ctx, out, h, why, ids, done, do) })
}

func (f QueueFlags) carryOut(ctx context.Context, out *Streams, h *house, why Why, ids []string, done string,
	do func(h *house, id string) ([]holdqueue.Outcome, error)) error {
	failed := false
	for _, id := range ids {
		if _, err := h.find(ctx, id); err != nil {
			failed = true
			fmt.Fprintf(out.Err, "%s\n", err)
			continue
		}
		// What was asked for and why; what became of it stands in the entries of the recipients.
		if err := h.note(ctx, "queue."+asked[done], id, why.Reason); err != nil {
			return err
		}
		outcomes, err := do(h, id)
		if err != nil {
			return err
		}
		for _, o := range outcomes {
			failed = failed || o.Err != nil
			if err := f.printOutcome(out.Out, id, done, o); err != nil {
				return err
			}
		}
	}
	if failed {
		return exitCode(1)
	}
	return nil
}

// asked is the verb of what somebody asked for, by the word for having done it.
var asked = map[string]string{"cancelled": "cancel", "released": "release", "retried": "retry"}

func (f QueueFlags) printOutcome(w io.Writer, id, done string, o holdqueue.Outcome) error {
	if !f.JSON {
		if o.Err != nil {
			_, err := fmt.Fprintf(w, "%s <%s>: %v\n", id, printable(o.Address), o.Err)
			return err
		}
		_, err := fmt.Fprintf(w, "%s <%s>: %s, now %s\n", id, printable(o.Address), done, o.State)
		return err
	}
	line := map[string]any{"id": id, "recipient": o.Recipient, "address": o.Address, "state": o.State, "done": o.Err == nil}
	if o.Err != nil {
		line["error"] = o.Err.Error()
	}
	return printJSON(w, line)
}

// note puts a command's reason into the audit log.
func (h *house) note(ctx context.Context, action, id, reason string) error {
	return h.db.Write(ctx, func(tx *db.Tx) error {
		return audit.Append(tx, audit.Entry{Actor: string(operator()), Action: action, Message: id, Detail: map[string]string{"reason": reason}})
	})
}

// QueueCancelCmd cancels.
type QueueCancelCmd struct {
	QueueFlags
	Why
	Person string   `placeholder:"ADDRESS" help:"All mail of this person that has not left."`
	IDs    []string `arg:"" optional:"" name:"id" help:"Ids of mails."`
}

// Run cancels.
func (c *QueueCancelCmd) Run(ctx context.Context, out *Streams) error {
	if (c.Person == "") == (len(c.IDs) == 0) {
		return errors.New("name the mails by id, or a person with --person")
	}
	return c.open(ctx, out, func(h *house) error {
		ids := c.IDs
		if c.Person != "" {
			var err error
			if ids, err = h.waitingOf(ctx, mailaddr.Address(c.Person)); err != nil {
				return err
			}
			if len(ids) == 0 && !c.JSON {
				fmt.Fprintln(out.Out, "nothing of this person waits")
			}
		}
		return c.carryOut(ctx, out, h, c.Why, ids, "cancelled", func(h *house, id string) ([]holdqueue.Outcome, error) {
			return h.queue.Cancel(ctx, id, nil, holdqueue.ReasonAdmin, operator())
		})
	})
}

// waitingOf are the ids of a person's mail that has not ended, whichever of the person's addresses is named.
func (h *house) waitingOf(ctx context.Context, a mailaddr.Address) (ids []string, err error) {
	who := a.Key()
	if p, ok := h.roster.Book().ByAddress(a); ok {
		who = p.Address.Key()
	}
	f := holdqueue.Filter{Person: who, Open: true, Limit: 500}
	for {
		page, next, err := h.queue.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, m := range page {
			ids = append(ids, m.ID)
		}
		if next.ID == "" {
			return ids, nil
		}
		f.Before = next
	}
}

// QueueReleaseCmd releases.
type QueueReleaseCmd struct {
	QueueFlags
	Why
	IDs []string `arg:"" name:"id" help:"Ids of mails."`
}

// Run releases.
func (c *QueueReleaseCmd) Run(ctx context.Context, out *Streams) error {
	return c.verb(ctx, out, c.Why, c.IDs, "released", func(h *house, id string) ([]holdqueue.Outcome, error) {
		return h.queue.Release(ctx, id, nil, operator())
	})
}

// QueueRetryCmd retries.
type QueueRetryCmd struct {
	QueueFlags
	Why
	IDs []string `arg:"" name:"id" help:"Ids of mails."`
}

// Run retries.
func (c *QueueRetryCmd) Run(ctx context.Context, out *Streams) error {
	return c.verb(ctx, out, c.Why, c.IDs, "retried", func(h *house, id string) ([]holdqueue.Outcome, error) {
		m, err := h.queue.Whole(ctx, id)
		if err != nil {
			return nil, err
		}
		deferred := idsOf(inState(m.Recipients, holdqueue.Deferred))
		if len(deferred) == 0 {
			return nil, fmt.Errorf("%s: no recipient of it is deferred", id)
		}
		return h.queue.SendNow(ctx, id, deferred, operator())
	})
}

// QueuePauseCmd pauses.
type QueuePauseCmd struct {
	QueueFlags
	Why
}

// Run pauses.
func (c *QueuePauseCmd) Run(ctx context.Context, out *Streams) error {
	return c.open(ctx, out, func(h *house) error {
		if err := h.queue.Pause(ctx, operator(), c.Reason); err != nil {
			return err
		}
		fmt.Fprintln(out.Out, "paused: mail is taken and inspected, and nothing leaves but our own notices")
		return nil
	})
}

// QueueResumeCmd resumes.
type QueueResumeCmd struct {
	QueueFlags
	Why
}

// Run resumes.
func (c *QueueResumeCmd) Run(ctx context.Context, out *Streams) error {
	return c.open(ctx, out, func(h *house) error {
		if err := h.queue.Resume(ctx, operator(), c.Reason); err != nil {
			return err
		}
		fmt.Fprintln(out.Out, "resumed: mail leaves again")
		return nil
	})
}

// QueueExportCmd exports.
type QueueExportCmd struct {
	QueueFlags
	Why
	ID string `arg:"" help:"Id of the mail."`
}

// Run writes the stored mail to standard output.
func (c *QueueExportCmd) Run(ctx context.Context, out *Streams) error {
	return c.open(ctx, out, func(h *house) error {
		if _, err := h.find(ctx, c.ID); err != nil {
			return err
		}
		m, err := h.queue.Get(ctx, c.ID) // this copy, not the first of its mail
		if err != nil {
			return err
		}
		body, err := h.queue.Open(ctx, m)
		if err != nil {
			return err
		}
		defer body.Close()
		if err := h.note(ctx, "queue.export", m.ID, c.Reason); err != nil {
			return err
		}
		_, err = io.Copy(out.Out, io.NewSectionReader(body, 0, body.Size()))
		return err
	})
}
