package web

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/web/dextest"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// call speaks to the API as a program and reads the answer into out.
func (h *house) call(token, method, path, body string, out any) int {
	h.t.Helper()
	req, err := http.NewRequest(method, absolute(path), strings.NewReader(body))
	must(h.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	must(h.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	must(h.t, err)
	want := "application/json"
	if res.StatusCode >= 400 && !strings.Contains(string(raw), `"items"`) && !strings.Contains(string(raw), `"done"`) {
		want = "application/problem+json"
	}
	if kind := res.Header.Get("Content-Type"); kind != want {
		h.t.Errorf("%s %s: %d with type %s", method, path, res.StatusCode, kind)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			h.t.Fatalf("%s %s: %v\n%s", method, path, err, raw)
		}
	}
	return res.StatusCode
}

func TestProgramsFollowAMailFromHoldToDecision(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@hold.example", "y@wait.example")
	alice, manager := h.token("alice", signin.MayAct), h.token("manager", signin.MayAct)
	var list apiList[apiMail]
	if code := h.call(alice, "GET", "/api/v1/messages?open=1", "", &list); code != 200 || len(list.Items) != 1 || list.Items[0].Subject != "名簿の件" || list.Items[0].Holders[0].Name != "田中 部長" {
		t.Fatalf("%d %+v", code, list)
	}
	var one apiMail
	h.call(alice, "GET", "/api/v1/messages/"+m.ID, "", &one)
	if len(one.Findings) != 3 || one.Recipients[0].State != "held" || one.Recipients[1].ReleaseAt == nil || len(one.Requests) != 1 {
		t.Fatalf("%+v", one)
	}
	var acted apiList[apiOutcome]
	if code := h.call(alice, "POST", "/api/v1/messages/"+m.ID+"/cancel", fmt.Sprintf(`{"recipients": [%q]}`, m.Recipients[1].ID), &acted); code != 200 || !acted.Items[0].Done {
		t.Fatalf("%d %+v", code, acted)
	}
	if code := h.call(alice, "POST", "/api/v1/messages/"+m.ID+"/release", "", &acted); code != http.StatusConflict {
		t.Fatalf("releasing what is held: %d %+v", code, acted)
	}
	var questions apiList[apiQuestion]
	h.call(manager, "GET", "/api/v1/requests", "", &questions)
	var q apiRequestDetail
	h.call(manager, "GET", "/api/v1/requests/"+questions.Items[0].ID, "", &q)
	var decided apiDecided
	if code := h.call(manager, "POST", "/api/v1/requests/"+q.ID+"/decide", fmt.Sprintf(`{"revision": %q, "verb": "approve"}`, q.Revision), &decided); code != 200 || decided.State != "approved" {
		t.Fatalf("%d %+v", code, decided)
	}
	var problem map[string]any
	if code := h.call(manager, "POST", "/api/v1/requests/"+q.ID+"/decide", fmt.Sprintf(`{"revision": %q, "verb": "reject"}`, q.Revision), &problem); code != http.StatusConflict || problem["code"] != "decided" || problem["decided"].(map[string]any)["by"] != "manager@corp.example" {
		t.Fatalf("%d %+v", code, problem)
	}
	h.advance(time.Minute)
	h.becomes(m.ID, holdqueue.Sent, holdqueue.Cancelled)
}

func TestAPIRefusesWhatItMust(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@wait.example")
	act, read, admin := h.token("alice", signin.MayAct), h.token("alice", signin.ReadOnly), h.token("admin", signin.MayAct)
	for name, c := range map[string]struct {
		token, method, path, body string
		code                      int
		key                       string
	}{
		"no token":          {"", "GET", "/api/v1/messages", "", 401, "sign_in"},
		"wrong token":       {"sekisho_" + strings.Repeat("A", 43), "GET", "/api/v1/messages", "", 401, "sign_in"},
		"read-only token":   {read, "POST", "/api/v1/messages/" + m.ID + "/cancel", "", 403, "read_only"},
		"unknown member":    {act, "POST", "/api/v1/messages/" + m.ID + "/cancel", `{"recipient": "x"}`, 400, "bad_form"},
		"broken JSON":       {act, "POST", "/api/v1/messages/" + m.ID + "/cancel", `{"recipients": [`, 400, "bad_form"},
		"too much":          {act, "POST", "/api/v1/messages/" + m.ID + "/cancel", `{"recipients": ["` + strings.Repeat("x", 300<<10) + `"]}`, 413, "bad_form"},
		"unknown mail":      {act, "GET", "/api/v1/messages/" + strings.Repeat("0", 26), "", 404, "not_found"},
		"id of no form":     {act, "GET", "/api/v1/messages/%2e%2e", "", 404, "not_found"},
		"everybody's":       {act, "GET", "/api/v1/messages?all=1", "", 403, "forbidden"},
		"everybody's links": {act, "GET", "/api/v1/links?all=1", "", 403, "forbidden"},
		"no such page":      {act, "GET", "/api/v1/nothing", "", 404, "not_found"},
		"wrong method":      {act, "DELETE", "/api/v1/messages/" + m.ID, "", 405, "bad_form"},
		"token off the API": {act, "GET", "/api/v1/../../tokens", "", 404, "not_found"},
		"unknown verb":      {admin, "POST", "/api/v1/requests/" + strings.Repeat("0", 26) + "/decide", `{"verb": "maybe"}`, 400, "bad_form"},
		"decide on nothing": {admin, "POST", "/api/v1/requests/" + strings.Repeat("0", 26) + "/decide", `{"verb": "approve", "revision": "x"}`, 404, "not_found"},
	} {
		var p map[string]any
		if code := h.call(c.token, c.method, c.path, c.body, &p); code != c.code || p["code"] != c.key {
			t.Errorf("%s: %d %v, want %d %s", name, code, p["code"], c.code, c.key)
		}
	}
	h.becomes(m.ID, holdqueue.Delayed)
}

func TestBrowsersMayReadTheAPIButNotAct(t *testing.T) {
	h := newHouse(t)
	m := h.submit("alice@corp.example", "名簿の件", "x@wait.example")
	h.get(h.as("alice"), "/api/v1/messages").is(t, 200).has(t, "名簿の件")
	h.post(h.as("alice"), "/api/v1/messages/"+m.ID+"/cancel").is(t, 401)
	h.becomes(m.ID, holdqueue.Delayed)
}

func TestTokenEndsWithItsOwnerAndItsTime(t *testing.T) {
	h := newHouse(t)
	token := h.token("alice", signin.ReadOnly)
	if code := h.call(token, "GET", "/api/v1/messages", "", nil); code != 200 {
		t.Fatal(code)
	}
	req, err := http.NewRequest("GET", absolute("/tokens"), nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := dextest.Browser(t).Do(req)
	if a := h.read(res, err); !strings.HasPrefix(a.at, "/dex/") {
		t.Errorf("a token opens the page %s", a.at)
	}
	page := h.get(h.as("alice"), "/tokens")
	page.lacks(t, token)
	_, rest, _ := strings.Cut(page.body, `action="/tokens/`)
	id, _, _ := strings.Cut(rest, "/")
	h.post(h.as("bob"), "/tokens/"+id+"/revoke").is(t, 404)
	h.post(h.as("alice"), "/tokens/"+id+"/revoke").is(t, 200)
	if code := h.call(token, "GET", "/api/v1/messages", "", nil); code != 401 {
		t.Errorf("revoked token: %d", code)
	}
	token = h.token("alice", signin.ReadOnly)
	ids, err := h.gate.Identities(t.Context(), "", 10)
	must(t, err)
	i := slices.IndexFunc(ids, func(i *signin.Identity) bool { return i.Person == "alice@corp.example" })
	must(t, h.gate.Unbind(t.Context(), ids[i].ID, "system", "left the company"))
	if code := h.call(token, "GET", "/api/v1/messages", "", nil); code != 401 {
		t.Errorf("token of an unbound account: %d", code)
	}
	token = h.token("bob", signin.ReadOnly)
	h.advance(31 * 24 * time.Hour)
	if code := h.call(token, "GET", "/api/v1/messages", "", nil); code != 401 {
		t.Errorf("expired token: %d", code)
	}
}

// TestDescriptionFitsTheAPI compares openapi.json with the routes and with the
// members the answers really have.
func TestTokenFormRefusesWhatItDoesNotOffer(t *testing.T) {
	h := newHouse(t)
	for name, form := range map[string][]string{
		"a scope of its own": {"name", "x", "scope", "admin", "days", "30"},
		"no name":            {"name", " ", "scope", "read", "days", "30"},
		"for ever":           {"name", "x", "scope", "read", "days", "100000"},
		"a life in words":    {"name", "x", "scope", "read", "days", "long"},
	} {
		if a := h.post(h.as("alice"), "/tokens", form...); a.code != http.StatusBadRequest {
			t.Errorf("%s: %d", name, a.code)
		}
	}
}

func TestDescriptionFitsTheAPI(t *testing.T) {
	raw, err := assetFiles.ReadFile("assets/openapi.json")
	must(t, err)
	var doc struct {
		Paths      map[string]map[string]any
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	must(t, json.Unmarshal(raw, &doc))
	described := map[string]bool{}
	for path, methods := range doc.Paths {
		for method := range methods {
			described[strings.ToUpper(method)+" /api/v1"+strings.ReplaceAll(path, "{id}", ":id")] = true
		}
	}
	for _, rt := range (&staff{}).routes() {
		if strings.HasPrefix(rt.path, "/api/") && !described[rt.pattern()] {
			t.Errorf("%s is not described", rt.pattern())
		}
		delete(described, rt.pattern())
	}
	for pattern := range described {
		t.Errorf("%s is described and does not exist", pattern)
	}
	for name, v := range map[string]any{"Message": apiMail{}, "Recipient": apiRecipient{}, "Holder": apiHolder{}, "Outcome": apiOutcome{}, "Question": apiQuestion{},
		"Request": apiRequestDetail{}, "Answer": apiAnswer{}, "Decision": apiDecision{}, "Decided": apiDecided{}, "Link": apiLink{}, "File": apiFile{},
		"Choice": apiChoice{}, "Finding": dlp.Finding{}, "Match": dlp.Match{}} {
		var members, wrote []string
		for i := range reflect.TypeOf(v).NumField() {
			tag, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
			members = append(members, tag)
		}
		for p := range doc.Components.Schemas[name].Properties {
			wrote = append(wrote, p)
		}
		slices.Sort(members)
		slices.Sort(wrote)
		if !slices.Equal(members, wrote) {
			t.Errorf("%s: described %v, answers %v", name, wrote, members)
		}
	}
}
