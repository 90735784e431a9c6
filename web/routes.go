package web

import (
	"net/http"
	"strings"

	tus "github.com/tus/tusd/v2/pkg/handler"
)

const (
	get  = http.MethodGet
	post = http.MethodPost
)

// staff holds the handlers for the people of the company.
type staff struct{ *site }

// routes is everything the staff listener answers. HEAD goes where GET goes.
func (st *staff) routes() []route {
	return append(st.folderRoutes(), []route{
		{method: get, path: "/", need: member, do: st.mails},
		{method: get, path: "/messages/:id", need: mailSeen, do: st.message},
		{method: get, path: "/messages/:id/body", need: mailRead, do: st.body},
		{method: get, path: "/messages/:id/content", need: mailRead, do: st.content},
		{method: post, path: "/messages/:id/content", need: mailAsked, do: st.openContent},
		{method: post, path: "/messages/:id/cancel", need: mailActed, do: st.cancel},
		{method: post, path: "/messages/:id/release", need: mailActed, do: st.sendNow},
		{method: post, path: "/messages/:id/stop", need: mailActed, do: st.stop},

		{method: get, path: "/requests", need: member, do: st.requests},
		{method: get, path: "/requests/:id", need: member, do: st.request},
		{method: post, path: "/requests/:id/decide", need: member, do: st.decide},
		{method: post, path: "/requests/:id/ask", need: member, do: st.askManager},

		{method: get, path: "/links", need: member, do: st.links},
		{method: get, path: "/messages/:id/links", need: linkActed, do: st.mailLinks},
		{method: post, path: "/messages/:id/links/revoke", need: linkActed, do: st.revokeLinks},
		{method: post, path: "/messages/:id/links/extend", need: linkActed, do: st.extendLinks},
		{method: post, path: "/messages/:id/links/resend", need: linkActed, do: st.resendLinks},

		{method: get, path: "/messages/:id/contain", need: linkActed, do: st.containing},
		{method: post, path: "/messages/:id/contain", need: linkActed, do: st.contain},
		{method: get, path: "/messages/:id/incident.docx", need: linkActed, do: st.incidentReport},

		{method: get, path: "/admin", need: overseen, do: st.allMails},
		{method: post, path: "/admin/bulk", need: ruled, do: st.bulk},
		{method: post, path: "/admin/cancel-all", need: ruled, do: st.cancelAll},
		{method: post, path: "/admin/pause", need: ruled, do: st.pause},
		{method: post, path: "/admin/resume", need: ruled, do: st.resume},
		{method: get, path: "/audit", need: overseen, do: st.auditLog},
		{method: get, path: "/report", need: overseen, do: st.report},
		{method: get, path: "/people", need: overseen, do: st.people},
		{method: post, path: "/people/:id/unbind", need: ruled, do: st.unbind},

		{method: get, path: "/tokens", need: member, do: st.tokens},
		{method: post, path: "/tokens", need: member, do: st.createToken},
		{method: post, path: "/tokens/:id/revoke", need: member, do: st.revokeToken},

		// The link in a sender's notice: its own secret, no session.
		{method: get, path: "/c/:token", need: anyone, do: st.cancelPage},
		{method: post, path: "/c/:token", need: anyone, do: st.cancelByToken},

		{method: get, path: "/login", need: visitor, do: st.login},
		{method: get, path: "/login/callback", need: visitor, do: st.callback},
		{method: post, path: "/logout", need: visitor, do: st.logout},
		{method: get, path: "/signed-out", need: anyone, do: st.signedOut, bare: true},
		{method: post, path: "/language", need: anyone, do: st.switchLanguage, bare: true},

		{method: get, path: "/api/v1/openapi.json", need: anyone, do: st.openAPI, bare: true},
		{method: get, path: "/api/v1/messages", need: member, do: st.apiMessages},
		{method: get, path: "/api/v1/messages/:id", need: mailSeen, do: st.apiMessage},
		{method: post, path: "/api/v1/messages/:id/cancel", need: mailActed, do: st.apiCancel},
		{method: post, path: "/api/v1/messages/:id/release", need: mailActed, do: st.apiRelease},
		{method: get, path: "/api/v1/requests", need: member, do: st.apiRequests},
		{method: get, path: "/api/v1/requests/:id", need: member, do: st.apiRequest},
		{method: post, path: "/api/v1/requests/:id/decide", need: member, do: st.apiDecide},
		{method: get, path: "/api/v1/links", need: member, do: st.apiLinks},
		{method: get, path: "/api/v1/links/:id", need: linkActed, do: st.apiLink},
		{method: post, path: "/api/v1/links/:id/revoke", need: linkActed, do: st.apiRevoke},

		{method: get, path: "/assets/:stamp/:name", need: anyone, do: st.asset, bare: true},
		{method: get, path: "/favicon.ico", need: anyone, do: st.icon, bare: true},
		{method: get, path: "/healthz", need: anyone, do: st.healthz, bare: true},
		{method: get, path: "/readyz", need: anyone, do: st.readyz, bare: true},
	}...)
}

// portal holds the handlers for recipients. It has no session, no staff route
// and no API.
type portal struct {
	*site
	tus *tus.UnroutedHandler // takes files into folders
}

// OnPortal says whether a path is the portal's, where it shares a listener with the staff pages.
func OnPortal(path string) bool {
	for _, own := range []string{"/d/", "/u/", "/account/"} {
		if strings.HasPrefix(path, own) {
			return true
		}
	}
	return false
}

// routes is everything the portal's listener answers.
func (p *portal) routes() []route {
	return append(p.uploadRoutes(), []route{
		{method: get, path: "/d/:token", need: anyone, do: p.landing},
		{method: post, path: "/d/:token/code", need: anyone, do: p.requestCode},
		{method: post, path: "/d/:token/enter", need: anyone, do: p.enterCode},
		{method: post, path: "/d/:token/get", need: anyone, do: p.take},
		{method: post, path: "/d/:token/password", need: anyone, do: p.enterPassword},
		{method: post, path: "/d/:token/account", need: anyone, do: p.beginAccount},
		{method: get, path: "/account/:name/callback", need: anyone, do: p.endAccount},
		{method: post, path: "/d/:token/zip", need: anyone, do: p.bundle, streams: true},
		{method: post, path: "/d/:token/ask", need: anyone, do: p.askAgain},
		{method: post, path: "/d/:token/view", need: anyone, do: p.view},
		{method: get, path: "/d/:token/:file/:ticket/look/:page", need: anyone, do: p.look},
		{method: get, path: "/d/:token/:file/:ticket", need: anyone, do: p.download, streams: true},

		{method: get, path: "/assets/:stamp/:name", need: anyone, do: p.asset, bare: true},
		{method: get, path: "/favicon.ico", need: anyone, do: p.icon, bare: true},
		{method: get, path: "/healthz", need: anyone, do: p.healthz, bare: true},
	}...)
}
