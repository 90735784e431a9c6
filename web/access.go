package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/signin"
	"github.com/sekisho-mail/sekisho/web/words"
)

// Who may see and do what stands in this file and nowhere else. Every route
// names one need; permits is the whole table.

// need is what a route asks of whoever calls it.
type need string

const (
	anyone      need = "anyone"          // no session is read at all
	visitor     need = "visitor"         // a session is read, nobody need be signed in
	member      need = "member"          // signed in
	mailSeen    need = "mail seen"       // envelope and states of one mail
	mailRead    need = "mail read"       // subject, findings and body of one mail
	mailActed   need = "mail acted on"   // cancel, send now, stop
	linkActed   need = "link acted on"   // revoke, extend
	overseen    need = "overseen"        // lists over everybody
	ruled       need = "ruled"           // changes that concern everybody
	folderOwned need = "folder owned"    // what is asked for and what has arrived
	folderActed need = "folder acted on" // its state; close it, delete what lies in it
	mailAsked   need = "mail opened by an administrator"
)

// standing is what somebody is, in general and towards the mail of the route.
type standing struct {
	admin, auditor bool
	own            bool // it is this person's mail
	named          bool // asked, or was asked, to decide about it
	granted        bool // an administrator who gave a reason a moment ago
}

// permits says whether that standing is enough.
func (n need) permits(s standing) bool {
	switch n {
	case anyone, visitor, member:
		return true
	case mailSeen:
		return s.own || s.named || s.admin || s.auditor
	case mailRead:
		return s.own || s.named || s.granted
	case mailActed:
		return s.own || s.admin
	case linkActed:
		return s.own || s.named || s.admin
	case folderOwned:
		return s.own
	case folderActed:
		return s.own || s.admin
	case overseen:
		return s.admin || s.auditor
	case ruled, mailAsked:
		return s.admin
	}
	return false
}

// wantsSession says whether the session of the browser is to be read. Pages
// know no tokens: there, one is ignored.
func (n need) wantsSession(r *http.Request) bool {
	return n != anyone && !(isAPI(r) && bearer(r) != "")
}

// aboutMail says whether the need is towards one mail.
func (n need) aboutMail() bool {
	return slices.Contains([]need{mailSeen, mailRead, mailActed, linkActed, mailAsked}, n)
}

// mailAccess is the mail of the route and what the caller is to it.
type mailAccess struct {
	*holdqueue.Message
	standing
	Link string // where the route named a link of it
}

// reads says whether the caller may see the content, not only the envelope.
func (m *mailAccess) reads() bool { return mailRead.permits(m.standing) }

// admit finds out who asks and lets them in, or not. Somebody who may not see
// a mail is told that there is none: ids say nothing to strangers.
func (st *staff) admit(ctx context.Context, r *Request) error {
	n := r.route.need
	if n == anyone {
		return nil
	}
	var err error
	if r.Who, err = st.identify(ctx, r); err != nil {
		return err
	}
	if r.Who == nil {
		if n == visitor {
			return nil
		}
		return errSignIn
	}
	if _, chosen := chosenLanguage(r); !chosen && r.Query("lang") == "" {
		if own, ok := words.Parse(r.Who.Person.Language); ok {
			r.Lang = own
		}
	}
	s := standing{admin: r.Who.Has(signin.Admin), auditor: r.Who.Has(signin.Auditor)}
	if n == folderOwned || n == folderActed {
		return st.admitToFolder(ctx, r, s)
	}
	if !n.aboutMail() {
		if !n.permits(s) {
			return errForbidden
		}
		return nil
	}
	return st.admitToMail(ctx, r, s)
}

// identify reads the bearer token of a program (API only) or the session of a
// browser. A session may only read through the API: a program that acts must
// show a token, so that no page of another site can make a browser act.
func (st *staff) identify(ctx context.Context, r *Request) (*signin.Visitor, error) {
	if secret := bearer(r.Request); isAPI(r.Request) && secret != "" {
		who, err := st.Gate.ByBearer(ctx, secret)
		if err == nil && who != nil && who.Token.Scope != signin.MayAct && unsafe(r.Request) {
			return nil, errReadOnly
		}
		return who, err
	}
	if isAPI(r.Request) && unsafe(r.Request) {
		return nil, errSignIn
	}
	return st.Gate.Visitor(r.Context())
}

// admitToFolder loads the folder of the route for those who may see it.
func (st *staff) admitToFolder(ctx context.Context, r *Request, s standing) error {
	if !db.ValidID(r.Param("id")) {
		return errNotFound
	}
	f, err := st.Links.Folder(ctx, r.Param("id"))
	if err != nil {
		return err
	}
	s.own = r.Who.Person.Is(f.Person)
	if !r.route.need.permits(s) {
		return errNotFound
	}
	r.Folder = &f
	return nil
}

func (st *staff) admitToMail(ctx context.Context, r *Request, s standing) error {
	m, link, err := st.mailOfRoute(ctx, r)
	if err != nil {
		return err
	}
	if err := st.towards(ctx, r, m, &s); err != nil {
		return err
	}
	if !r.route.need.permits(s) {
		return errNotFound
	}
	r.Mail = &mailAccess{Message: m, standing: s, Link: link}
	return nil
}

// towards completes a standing with what the caller is to one mail.
func (st *staff) towards(ctx context.Context, r *Request, m *holdqueue.Message, s *standing) error {
	s.own = r.Who.Person.Is(m.Person)
	s.granted = s.admin && st.openGrant(r, m.ID)
	if s.own {
		return nil
	}
	asked := actor(r)
	asked.Admin = false // sees every question, and is named in few
	requests, err := st.Approval.OfFamily(ctx, m.Family, asked)
	if err != nil {
		return err
	}
	s.named = len(requests) > 0
	if s.named || !s.admin {
		return nil
	}
	// A question put to the administrators as such names each of them while it is open.
	if requests, err = st.Approval.OfFamily(ctx, m.Family, approval.Actor{Address: r.Who.Person.Address, Admin: true}); err != nil {
		return err
	}
	s.named = slices.ContainsFunc(requests, func(q *approval.Request) bool {
		return slices.ContainsFunc(q.Holders, func(h approval.Holder) bool { return h.Address == "" })
	})
	return nil
}

// mailOfRoute loads the whole mail the path names, by the id of any of its
// copies or by a link's.
func (st *staff) mailOfRoute(ctx context.Context, r *Request) (*holdqueue.Message, string, error) {
	id, link := r.Param("id"), ""
	if strings.Contains(r.route.path, "/links/:id") {
		link = id
		l, err := st.Links.Get(ctx, link)
		if err != nil {
			return nil, "", err
		}
		id = l.Message
	}
	if !db.ValidID(id) {
		return nil, "", errNotFound
	}
	m, err := st.Queue.Whole(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if m.Origin == holdqueue.FromSystem { // our own notices are nobody's page
		return nil, "", errNotFound
	}
	return m, link, nil
}

// grantLife is how long an administrator who gave a reason may look at the mail.
const grantLife = 15 * time.Minute

// grant makes the proof that this administrator gave a reason for this mail.
func (st *staff) grant(r *Request, message string) string {
	until := strconv.FormatInt(r.Now.Add(grantLife).Unix(), 10)
	return until + "." + base64.RawURLEncoding.EncodeToString(grantSum(st.Keys, r, message, until))
}

func grantSum(keys *seal.Keys, r *Request, message, until string) []byte {
	return keys.MAC("web.grant", message, r.Who.Identity.ID, until)
}

func (st *staff) openGrant(r *Request, message string) bool {
	until, sum, ok := strings.Cut(r.Query("grant"), ".")
	if !ok {
		return false
	}
	at, err := strconv.ParseInt(until, 10, 64)
	raw, bad := base64.RawURLEncoding.DecodeString(sum)
	if err != nil || bad != nil || at < r.Now.Unix() {
		return false
	}
	return st.Keys.VerifyMAC(raw, "web.grant", message, r.Who.Identity.ID, until)
}

// actor is the caller as approval knows people.
func actor(r *Request) approval.Actor {
	return approval.Actor{Address: r.Who.Person.Address, Admin: r.Who.Has(signin.Admin), Approver: r.Who.Has(signin.Approver)}
}

// queueActor and linkActor are the caller's name in the audit log.
func queueActor(r *Request) holdqueue.Actor { return holdqueue.Actor(r.Who.Actor()) }

func linkActor(r *Request) linkify.Actor { return linkify.Actor(r.Who.Actor()) }
