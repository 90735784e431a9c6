package policy

import "time"

// Action is what becomes of one recipient. Stricter wins:
// refuse > hold > delay > send.
type Action string

// The actions, mildest first.
const (
	Send   Action = "send"
	Delay  Action = "delay"
	Hold   Action = "hold"
	Refuse Action = "refuse"
)

func (a Action) rank() int {
	switch a {
	case Send:
		return 0
	case Delay:
		return 1
	case Hold:
		return 2
	default:
		return 3
	}
}

// StricterThan reports whether a wins over b.
func (a Action) StricterThan(b Action) bool { return a.rank() > b.rank() }

// Access says how a link is opened.
type Access string

// Open needs nothing but the link; Code sends a one-time code to the
// recipient. Auto stands in policies only: code where the mail carries a
// finding at medium or higher, or a person had to approve it; else open.
const (
	Open Access = "open"
	Code Access = "code"
	// Password is one that the sender passes on by another channel.
	Password Access = "password"
	// Account is an account of the recipient's at a provider of the configuration.
	Account Access = "account"
	Auto    Access = "auto"
)

// TransformLink is the only transform so far: attachments become links.
const TransformLink = "link"

// Verdict is the answer for one mail, in the order of Facts.Recipients.
type Verdict struct {
	Recipients []RecipientVerdict
	// Observed is true when Recipients was replaced by plain sends; each then
	// carries what would have happened in its own Observed.
	Observed bool
	// Notify are the people to be told, as approvers are written: sender,
	// manager, admin, group:NAME or an address; sorted, without repeats.
	Notify []string
}

// RecipientVerdict is what happens to one envelope recipient. Its JSON is kept
// with the mail; members are added, never renamed.
type RecipientVerdict struct {
	Address string `json:"address"`
	Action  Action `json:"action"`
	// Delay counts from acceptance; it also stands with a hold.
	Delay time.Duration `json:"delay"` // nanoseconds
	// Approvers is the union of everyone in Stages, for display. Who must
	// agree, and in which order, is in Stages alone.
	Approvers []string `json:"approvers,omitempty"`
	// Stages must all be passed, in order. Empty unless Action is Hold.
	Stages []Stage `json:"stages,omitempty"`
	// Expire is how long a hold waits before the mail goes back to the
	// sender; never zero with Hold.
	Expire Period `json:"expire,omitzero"`
	// Transforms names what is done to the bytes: "link" or nothing.
	Transforms []string `json:"transforms,omitempty"`
	// Link is set exactly when Transforms has TransformLink.
	Link *Link `json:"link,omitempty"`
	// Rules asked for exactly this action; OtherRules fired with a milder
	// result (which may still add a link). Both sorted.
	Rules      []string `json:"rules,omitempty"`
	OtherRules []string `json:"other_rules,omitempty"`
	// Reasons explain Action, one for each thing Rules saw.
	Reasons []Reason `json:"reasons,omitempty"`
	// Watched are the rules in mode audit or notify that matched, with what they
	// would have done.
	Watched []Hit `json:"watched,omitempty"`
	// Told are the rules of which people hear that they matched: those in mode
	// notify, and enforced ones that name somebody.
	Told []Told `json:"told,omitempty"`
	// Observed is what would have happened, when the mail is only observed.
	Observed *RecipientVerdict `json:"observed,omitempty"`
}

// Stage is one question: Quorum of Approvers must agree.
//
// Approvers are written manager, admin, sender, group:NAME, role:approver or an address. The
// stage [sender] asks the senders themselves (自己査閲): they confirm or take
// the mail back; when another stage follows, confirming only passes the
// question on. In any stage that is not [sender], nobody decides their own mail.
type Stage struct {
	Approvers []string `json:"approvers"`
	Quorum    int      `json:"quorum"`
}

// Link is how attachments become links for one recipient.
type Link struct {
	// Over: only files larger than this many bytes; 0 means all.
	Over int64 `json:"over"`
	// Access is never Auto.
	Access Access `json:"access"`
	// Expire is how long the link lives.
	Expire time.Duration `json:"expire"` // nanoseconds
	// AsIs: what cannot become a link leaves as it is, without anybody's word;
	// the rule says so (otherwise: send).
	AsIs bool `json:"as_is,omitempty"`
	// Only, where it is set, are the files that become links: those that any of them has. Over is 0 then.
	Only []FileChoice `json:"only,omitempty"`
	// UnlessTLS: the files stay in the mail where TLS to the recipient's servers is proved when it leaves.
	UnlessTLS bool `json:"unless_tls,omitempty"`
	// Paperclip: a small note is attached, so that mail programs show that there is something.
	Paperclip bool `json:"paperclip,omitempty"`
	// Preview: what can be shown can be looked at on the page of the link.
	Preview bool `json:"preview,omitempty"`
	// ViewOnly: and nothing is handed out. Preview is set, too, and neither AsIs nor UnlessTLS is.
	ViewOnly bool `json:"view_only,omitempty"`
}

// Hit is a rule in mode audit or notify that matched.
type Hit struct {
	Rule   string `json:"rule"`
	Mode   Mode   `json:"mode"`
	Action Action `json:"action"`
}

// Told is a rule that people hear of. Who is written as approvers are.
type Told struct {
	Rule    string   `json:"rule"`
	Mode    Mode     `json:"mode"`
	Who     []string `json:"who"`
	Reasons []Reason `json:"reasons"`
}

// Reason says why, in both languages, without content of the mail: names of
// kinds and counts only. Code is stable: a condition's key ("content:jp.my_number",
// "external_domains_over"), "rule" for a rule's own text, "cannot_link", "uninspected".
type Reason struct {
	Rule string `json:"rule"`
	Code string `json:"code"`
	JA   string `json:"ja"`
	EN   string `json:"en"`
}

// In gives the text in a language ("ja" or "en"); Japanese is the default.
func (r Reason) In(language string) string {
	if language == "en" {
		return r.EN
	}
	return r.JA
}

// Strictest is the strictest action of all recipients; Send when there is none.
func (v Verdict) Strictest() Action {
	worst := Send
	for _, r := range v.Recipients {
		if r.Action.StricterThan(worst) {
			worst = r.Action
		}
	}
	return worst
}
