package signin_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/db/dbtest"
	"github.com/sekisho-mail/sekisho/web/dextest"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// withDex opens a door whose provider is dex.
func withDex(t *testing.T, d *db.DB, users ...dextest.User) (*door, *dextest.Dex) {
	t.Helper()
	var dex *dextest.Dex
	dr := openDoor(t, d, func(base string) signin.Options {
		dex = dextest.Start(t, []string{base + signin.CallbackPath}, users...)
		return signin.Options{People: book(t), OIDC: signin.OIDC{
			Issuer: dex.Issuer, ClientID: dex.ClientID, ClientSecret: dex.ClientSecret, Roles: adminRoles(),
		}}
	})
	return dr, dex
}

func alice(groups ...string) dextest.User {
	return dextest.User{ID: "0001", Email: "alice@corp.example", Groups: groups}
}

func wantPage(t *testing.T, body, want string) {
	t.Helper()
	if got := strings.TrimSpace(body); got != want {
		t.Errorf("page says %q, want %q", got, want)
	}
}

func fetch(t *testing.T, browser *http.Client, url string) string {
	t.Helper()
	res, err := browser.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestLoginGivesThePersonAndTheRolesOfTheGroups(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		dr, dex := withDex(t, d, alice("sekisho-admins", "others"))
		browser := dextest.Browser(t)
		wantPage(t, fetch(t, browser, dr.URL), "nobody")
		_, body := dex.SignIn(t, browser, dr.URL+"/login", "alice@corp.example")
		wantPage(t, body, "alice@corp.example [admin] overage=false")
		wantPage(t, fetch(t, dextest.Browser(t), dr.URL), "nobody")
	})
}

func TestRolesAreReadAgainAtEachLogin(t *testing.T) {
	dr, dex := withDex(t, dbtest.SQLite(t), alice("sekisho-admins"))
	browser := dextest.Browser(t)
	dex.SignIn(t, browser, dr.URL+"/login", "alice@corp.example")
	dex.Restart(t, alice("managers")) // with new signing keys, too
	other := dextest.Browser(t)
	_, body := dex.SignIn(t, other, dr.URL+"/login", "alice@corp.example")
	wantPage(t, body, "alice@corp.example [approver] overage=false")
	// The older session has no longer the rights of the older login.
	wantPage(t, fetch(t, browser, dr.URL), "alice@corp.example [approver] overage=false")
}

func TestSecondSubjectOfAPersonIsRefusedUntilUnbound(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		dr, dex := withDex(t, d, alice())
		first := dextest.Browser(t)
		dex.SignIn(t, first, dr.URL+"/login", "alice@corp.example")
		dex.Restart(t, dextest.User{ID: "6666", Email: "alice@corp.example"})
		second := dextest.Browser(t)
		_, body := dex.SignIn(t, second, dr.URL+"/login", "alice@corp.example")
		wantPage(t, body, "other_subject")
		wantPage(t, fetch(t, second, dr.URL), "nobody")
		ids, err := dr.gate.Identities(t.Context(), "", 10)
		if err != nil || len(ids) != 1 || ids[0].RefusedAt.IsZero() || ids[0].RefusedSubject == ids[0].Subject {
			t.Fatalf("the refusal is not kept for the administrator: %+v, %v", ids, err)
		}
		if err := dr.gate.Unbind(t.Context(), ids[0].ID, "person:admin@corp.example", "new account"); err != nil {
			t.Fatal(err)
		}
		wantPage(t, fetch(t, first, dr.URL), "nobody") // the session of the forgotten account ended with it
		_, body = dex.SignIn(t, second, dr.URL+"/login", "alice@corp.example")
		wantPage(t, body, "alice@corp.example [] overage=false")
	})
}

func TestAnAliasSignsInAsThePerson(t *testing.T) {
	dr, dex := withDex(t, dbtest.SQLite(t), dextest.User{ID: "0001", Email: "A.Sato@corp.example"})
	_, body := dex.SignIn(t, dextest.Browser(t), dr.URL+"/login", "A.Sato@corp.example")
	wantPage(t, body, "alice@corp.example [] overage=false")
}

func TestWhoIsNotInThePeopleFileIsRefused(t *testing.T) {
	dr, dex := withDex(t, dbtest.SQLite(t), dextest.User{ID: "0009", Email: "stranger@corp.example", Groups: []string{"sekisho-admins"}})
	_, body := dex.SignIn(t, dextest.Browser(t), dr.URL+"/login", "stranger@corp.example")
	wantPage(t, body, "not_a_person")
}

func TestStateOfAnotherBrowserIsRefused(t *testing.T) {
	dr, dex := withDex(t, dbtest.SQLite(t), alice())
	// The attacker begins a login and stops before the callback; the victim is led to it.
	attacker := dextest.Browser(t)
	attacker.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), dr.URL+signin.CallbackPath) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	res, _ := dex.SignIn(t, attacker, dr.URL+"/login", "alice@corp.example")
	callback := res.Header.Get("Location")
	if !strings.Contains(callback, "code=") {
		t.Fatalf("no callback address: %q", callback)
	}
	victim := dextest.Browser(t)
	wantPage(t, fetch(t, victim, callback), "lost flow")
	wantPage(t, fetch(t, victim, dr.URL), "nobody")
	wantPage(t, fetch(t, victim, callback+"x"), "lost flow")
	attacker.CheckRedirect = nil
	wantPage(t, fetch(t, attacker, callback), "alice@corp.example [] overage=false")
	wantPage(t, fetch(t, attacker, callback), "lost flow") // an answer is taken once
}

func TestTwoTabsMayLogInAtOnce(t *testing.T) {
	dr, dex := withDex(t, dbtest.SQLite(t), alice())
	browser := dextest.Browser(t)
	first := fetch(t, browser, dr.URL+"/login") // stays at dex's form
	_, body := dex.SignIn(t, browser, dr.URL+"/login", "alice@corp.example")
	wantPage(t, body, "alice@corp.example [] overage=false")
	if !strings.Contains(first, "<form") {
		t.Fatal("the first tab shows no form")
	}
}

func TestProviderDownAndBack(t *testing.T) {
	dr, dex := withDex(t, dbtest.SQLite(t), alice())
	dex.Stop()
	browser := dextest.Browser(t)
	wantPage(t, fetch(t, browser, dr.URL+"/login"), "provider down")
	wantPage(t, fetch(t, browser, dr.URL), "nobody")
	dex.Restart(t, alice())
	waitReady(t, dr.gate)
	_, body := dex.SignIn(t, browser, dr.URL+"/login", "alice@corp.example")
	wantPage(t, body, "alice@corp.example [] overage=false")
	// Once signed in, the provider may go: the session does not need it.
	dex.Stop()
	wantPage(t, fetch(t, browser, dr.URL), "alice@corp.example [] overage=false")
}

func TestLogoutEndsTheSessionOnTheServer(t *testing.T) {
	dr, dex := withDex(t, dbtest.SQLite(t), alice())
	browser := dextest.Browser(t)
	dex.SignIn(t, browser, dr.URL+"/login", "alice@corp.example")
	stolen := dextest.Browser(t)
	base, _ := http.NewRequest("GET", dr.URL, nil)
	stolen.Jar.SetCookies(base.URL, browser.Jar.Cookies(base.URL))
	wantPage(t, fetch(t, stolen, dr.URL), "alice@corp.example [] overage=false")
	res, err := browser.Post(dr.URL+"/logout", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	wantPage(t, fetch(t, browser, dr.URL), "nobody")
	wantPage(t, fetch(t, stolen, dr.URL), "nobody")
}

// waitReady waits until the gate asks the provider again: after a failure it
// pauses for a second.
func waitReady(t *testing.T, g *signin.Gate) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for g.Ready(t.Context()) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the gate never reached the provider again")
		}
		time.Sleep(50 * time.Millisecond)
	}
}
