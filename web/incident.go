package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/web/docx"
)

// The draft of a report about a mail that went to the wrong person. Its items are those that the Act on the Protection
// of Personal Information asks for (enforcement rules, article 8 paragraph 1, items 1 to 9); what only people can
// know is left open, in brackets. It goes to nobody by itself.

// draft writes one report in one language.
type draft struct {
	sheet
	x      *mishap
	blocks []docx.Block
	kinds  []findingView
}

func (st *staff) draftReport(r *Request, x *mishap) (docx.Document, error) {
	w, err := st.why(r.Mail.Message, r.Lang, x.Reads)
	if err != nil {
		return docx.Document{}, err
	}
	d := &draft{sheet: sheet{looks: st.looks, lang: r.Lang, now: r.Now}, x: x, kinds: w.Findings}
	d.blocks = append(d.blocks, docx.Block{Title: d.T("incident.title")},
		docx.Block{Text: d.T("incident.draft", "at", d.Stamp(r.Now), "company", st.Company.Name)})
	d.outline()
	d.data()
	d.item("people", d.T("incident.people_text"))
	d.item("cause", d.T("incident.cause_text"))
	d.harm()
	d.item("response", d.T("incident.response_text"))
	d.item("publication", d.T("incident.publication_text"))
	d.measures()
	d.item("other", d.T("incident.other_text", "id", r.Mail.ID))
	d.annex()
	return docx.Document{Lang: string(r.Lang), Blocks: d.blocks}, nil
}

func (d *draft) item(key, text string) {
	d.blocks = append(d.blocks, docx.Block{Heading: d.T("incident." + key)}, docx.Block{Text: text})
}

// outline: what happened, when, to whom.
func (d *draft) outline() {
	m := d.x.Mail
	subject := d.T("mail.hidden_subject")
	if d.x.Reads {
		subject = m.Meta.Subject
	}
	lines := []string{
		d.T("incident.sender", "who", m.Person.String()),
		d.T("incident.subject", "subject", subject),
		d.T("incident.accepted", "at", d.Stamp(m.AcceptedAt)),
		d.T("incident.out", "n", len(d.x.Out())),
		d.T("incident.back", "n", len(d.x.Back())),
		d.T("incident.known"),
	}
	d.item("outline", strings.Join(lines, "\n"))
}

// data: kinds of personal data that were found, without a single value.
func (d *draft) data() {
	var lines []string
	for _, f := range d.kinds {
		lines = append(lines, fmt.Sprintf("・%s %s", d.Detector(f.Detector), d.T("finding.count", "n", f.Count)))
	}
	if len(lines) == 0 {
		lines = append(lines, d.T("incident.data_none"))
	}
	d.item("data", strings.Join(append(lines, d.T("incident.data_text")), "\n"))
}

// harm: whether somebody has the files.
func (d *draft) harm() {
	text := d.T("incident.harm_none")
	switch {
	case d.x.Attached():
		text = d.T("incident.harm_attached")
	case d.x.Taken() > 0:
		text = d.T("incident.harm_taken", "n", d.x.Taken())
	case d.x.Viewed() > 0:
		text = ""
	case len(d.x.Links) == 0:
		text = d.T("incident.harm_body")
	}
	if d.x.Viewed() > 0 {
		text = strings.TrimSpace(text + "\n" + d.T("incident.harm_viewed", "n", d.x.Viewed()))
	}
	d.item("harm", text+"\n"+d.T("incident.harm_text"))
}

func (d *draft) measures() {
	lines := []string{}
	if c := d.x.Contained; c != nil {
		lines = append(lines, d.T("incident.contained", "at", d.Stamp(c.At), "who", d.Actor(c.By)))
	}
	for _, l := range d.x.Links {
		if l.State == "revoked" {
			lines = append(lines, d.T("incident.revoked", "who", l.Address.String(), "at", d.Stamp(l.EndedAt)))
		}
	}
	for _, v := range d.x.Back() {
		lines = append(lines, d.T("incident.kept", "who", v.Address.String(), "state", d.T("state."+v.State.Key)))
	}
	d.item("measures", strings.Join(append(lines, d.T("incident.measures_text")), "\n"))
}

// annex: recipients, files and downloads, as the logs have them.
func (d *draft) annex() {
	d.blocks = append(d.blocks, docx.Block{Heading: d.T("incident.annex_recipients")})
	rows := [][]string{{d.T("incident.address"), d.T("filter.state"), d.T("table.at")}}
	for _, v := range d.x.Recipients {
		rows = append(rows, []string{v.Address.String(), d.T("state." + v.State.Key), d.moment(v.Since)})
	}
	d.blocks = append(d.blocks, docx.Block{Table: rows})
	if len(d.x.Links) == 0 {
		return
	}
	d.blocks = append(d.blocks, docx.Block{Heading: d.T("incident.annex_files")})
	rows = [][]string{{d.T("links.file"), d.T("mail.size"), "SHA-256"}}
	seen := map[string]bool{}
	for _, l := range d.x.Links {
		for _, f := range l.Files {
			if !seen[f.ID] {
				seen[f.ID] = true
				rows = append(rows, []string{d.name(f.Name), d.Size(f.Size), f.SHA256})
			}
		}
	}
	d.blocks = append(d.blocks, docx.Block{Table: rows}, docx.Block{Heading: d.T("incident.annex_log")})
	if len(d.x.Log) == 0 {
		d.blocks = append(d.blocks, docx.Block{Text: d.T("incident.log_none")})
		return
	}
	rows = [][]string{{d.T("table.at"), d.T("links.of"), d.T("links.file"), d.T("links.from"), d.T("incident.whole")}}
	for _, e := range d.x.Log {
		who := d.T("links.with_link_of", "who", e.Of)
		if e.As != "" {
			who += " " + d.T("links.code_of", "who", e.As)
		}
		whole := d.T("links.partly")
		switch {
		case e.Viewed:
			whole = d.T("links.look")
		case e.Complete:
			whole = d.T("incident.yes")
		}
		rows = append(rows, []string{d.Stamp(e.At), who, d.name(e.File.Name), e.Address, whole})
	}
	d.blocks = append(d.blocks, docx.Block{Table: rows}, docx.Block{Text: d.T("links.log_text")})
	if d.x.MoreLog {
		d.blocks = append(d.blocks, docx.Block{Text: d.T("incident.log_more", "n", logInReport)})
	}
}

// name is content, which not every reader of the log may see.
func (d *draft) name(s string) string {
	if d.x.Reads {
		return s
	}
	return d.T("links.file")
}

func (d *draft) moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return d.Stamp(t)
}

// wordFile is a document on its way out.
type wordFile struct {
	name     string
	document docx.Document
}

func (f *wordFile) write(_ *site, w http.ResponseWriter, r *Request) error {
	var b strings.Builder // whole first: half a document must never look like one
	if err := f.document.Write(&b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/vnd.openxmlformats-officedocument.wordprocessingml.document")
	w.Header().Set("Content-Disposition", disposition(f.name))
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	return send(w, r, codeOK, []byte(b.String()))
}
