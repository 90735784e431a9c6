package web

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/submission/dlp"
)

// What the API says. Times are RFC 3339 in UTC; members are added, never
// renamed. The shapes are described once more in openapi.json, and a test
// compares the two.

// apiMail is one message.
type apiMail struct {
	ID         string         `json:"id"`
	Family     string         `json:"family"`
	Copies     []string       `json:"copies,omitempty"` // ids of the messages it arrived as, where upstream split it
	Origin     string         `json:"origin"`
	Person     string         `json:"person"`
	Subject    string         `json:"subject,omitempty"` // left out for those who see the envelope only
	Automatic  bool           `json:"automatic"`
	Size       int64          `json:"size"`
	AcceptedAt time.Time      `json:"accepted_at"`
	EndedAt    *time.Time     `json:"ended_at"`
	Recipients []apiRecipient `json:"recipients"`
	Reasons    []string       `json:"reasons"`
	Findings   []dlp.Finding  `json:"findings,omitempty"`
	Holders    []apiHolder    `json:"holders"`
	Requests   []string       `json:"requests,omitempty"`
}

// apiRecipient is one recipient with its state.
type apiRecipient struct {
	ID        string     `json:"id"`
	Message   string     `json:"message"` // the copy it belongs to
	Address   string     `json:"address"`
	State     string     `json:"state"`
	Stopped   bool       `json:"stopped"`
	ReleaseAt *time.Time `json:"release_at"`
	EndedAt   *time.Time `json:"ended_at"`
	Reason    string     `json:"reason,omitempty"`
	Reply     string     `json:"reply,omitempty"`
	Uncertain bool       `json:"uncertain"`
}

// apiHolder is somebody a mail lies with.
type apiHolder struct {
	Address string    `json:"address"`
	Name    string    `json:"name"`
	As      string    `json:"as"`
	Since   time.Time `json:"since"`
}

// apiOutcome is what became of one recipient of a request to act.
type apiOutcome struct {
	Recipient string     `json:"recipient"`
	Address   string     `json:"address"`
	Done      bool       `json:"done"`
	State     string     `json:"state"`
	Since     *time.Time `json:"since,omitempty"` // when it was too late
}

// apiList is a page of anything.
type apiList[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // for ?after=
}

func apiTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func apiMailOf(m *holdqueue.Message, holders []approval.Holder, reads bool) apiMail {
	out := apiMail{ID: m.ID, Family: m.Family, Copies: m.Copies, Origin: string(m.Origin), Person: m.Person.String(), Automatic: m.Automatic,
		Size: m.Size, AcceptedAt: m.AcceptedAt.UTC(), EndedAt: apiTime(m.EndedAt), Reasons: []string{},
		Recipients: []apiRecipient{}, Holders: []apiHolder{}}
	if reads {
		out.Subject = m.Meta.Subject
	}
	for _, r := range m.Recipients {
		a := apiRecipient{ID: r.ID, Message: r.Message, Address: r.Address.String(), State: string(r.State), Stopped: r.Stopped,
			EndedAt: apiTime(r.EndedAt), Reason: string(r.Reason), Reply: r.Reply, Uncertain: r.Uncertain}
		if r.State == holdqueue.Delayed {
			a.ReleaseAt = apiTime(r.ReleaseAt)
		}
		out.Recipients = append(out.Recipients, a)
	}
	for _, h := range holders {
		out.Holders = append(out.Holders, apiHolder{Address: h.Address.String(), Name: h.Name, As: string(h.As), Since: h.Since.UTC()})
	}
	return out
}

func apiOutcomes(outcomes []holdqueue.Outcome) apiList[apiOutcome] {
	list := apiList[apiOutcome]{Items: []apiOutcome{}}
	for _, o := range outcomes {
		a := apiOutcome{Recipient: o.Recipient, Address: o.Address, Done: o.Err == nil, State: string(o.State)}
		var late *holdqueue.StateError
		if errors.As(o.Err, &late) {
			a.Since = apiTime(late.Since)
		}
		list.Items = append(list.Items, a)
	}
	return list
}

// apiLink is one link.
type apiLink struct {
	ID        string     `json:"id"`
	Message   string     `json:"message"`
	Recipient string     `json:"recipient"`
	Address   string     `json:"address"`
	State     string     `json:"state"`
	Access    string     `json:"access"`
	Files     []apiFile  `json:"files"`
	ExpiresAt *time.Time `json:"expires_at"`
	EndedAt   *time.Time `json:"ended_at"`
	Taken     int64      `json:"taken"`
	LastTaken *time.Time `json:"last_taken"`
	Viewed    int64      `json:"viewed"`
	ViewOnly  bool       `json:"view_only"`
}

// apiFile is one file behind a link.
type apiFile struct {
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func apiLinkOf(l linkify.Link, reads bool) apiLink {
	out := apiLink{ID: l.ID, Message: l.Message, Recipient: l.Recipient, Address: l.Address.String(), State: string(l.State),
		Access: string(l.Access), ExpiresAt: apiTime(l.ExpiresAt), EndedAt: apiTime(l.EndedAt), Taken: l.Taken,
		LastTaken: apiTime(l.LastTaken), Viewed: l.Viewed, ViewOnly: l.ViewOnly, Files: []apiFile{}}
	for _, f := range l.Files {
		file := apiFile{ID: f.ID, Size: f.Size, SHA256: f.SHA256}
		if reads {
			file.Name = f.Name
		}
		out.Files = append(out.Files, file)
	}
	return out
}

// readJSON reads the body of a request; an empty body leaves into as it is.
// An unknown member is a mistake of the caller and better said than ignored.
func readJSON(r *Request, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.ContentLength == 0 {
		return nil
	}
	if err != nil || kind != "application/json" {
		return errBadForm
	}
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err = dec.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil || dec.More() {
		return errors.Join(errBadForm, err)
	}
	return nil
}
