package web

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
	"github.com/sekisho-mail/sekisho/web/signin"
	"github.com/sekisho-mail/sekisho/web/words"
)

// TestEveryWordOfAPageExists reads the pages for the keys they name, so that
// no reader ever meets "[mail.size]".
func TestEveryWordOfAPageExists(t *testing.T) {
	c, err := words.Load()
	must(t, err)
	key := regexp.MustCompile(`\bT "([a-z0-9_.]+)"`)
	err = fs.WalkDir(pageFiles, "pages", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := pageFiles.ReadFile(name)
		for _, m := range key.FindAllStringSubmatch(string(raw), -1) {
			if !c.Has(m[1]) {
				t.Errorf("%s names %s, which has no text", name, m[1])
			}
		}
		return err
	})
	must(t, err)
}

// TestEveryCodeHasWords walks the codes of the other packages that pages put
// into words.
func TestEveryCodeHasWords(t *testing.T) {
	c, err := words.Load()
	must(t, err)
	want := func(prefix, suffix string, codes ...string) {
		for _, code := range codes {
			if !c.Has(prefix + code + suffix) {
				t.Errorf("no words for %s%s%s", prefix, code, suffix)
			}
		}
	}
	want("state.", "", codes(holdqueue.Received, holdqueue.Held, holdqueue.Delayed, holdqueue.Sending, holdqueue.Deferred,
		holdqueue.Sent, holdqueue.Failed, holdqueue.Refused, holdqueue.Cancelled, holdqueue.Rejected, holdqueue.Expired)...)
	want("ended.", "", codes(holdqueue.ReasonRule, holdqueue.ReasonSender, holdqueue.ReasonAdmin, holdqueue.ReasonReject, holdqueue.ReasonUnasked,
		holdqueue.ReasonStopped, holdqueue.ReasonUpstream, holdqueue.ReasonGaveUp)...)
	want("over.", "", codes(holdqueue.ReasonRule, holdqueue.ReasonSender, holdqueue.ReasonAdmin, holdqueue.ReasonReject, holdqueue.ReasonUnasked,
		holdqueue.ReasonStopped, holdqueue.ReasonUpstream, holdqueue.ReasonGaveUp, holdqueue.ReasonDelivered)...)
	for _, end := range []string{"_you", "_unnamed"} {
		want("over.", end, codes(holdqueue.ReasonSender, holdqueue.ReasonAdmin, holdqueue.ReasonReject)...)
	}
	want("as.", "", codes(approval.AsApprover, approval.AsDeputy, approval.AsEscalation, approval.AsAdmin, approval.AsSender)...)
	want("asked.", "", "sender", "admin", "role:approver", "group")
	want("request.", "", codes(approval.Open, approval.Approved, approval.Rejected, approval.Divided, approval.Expired, approval.Cancelled)...)
	want("lost.", "", codes(approval.Open, approval.Approved, approval.Rejected, approval.Divided, approval.Expired, approval.Cancelled)...)
	want("answer.", "", codes(approval.Unanswered, approval.AnswerApproved, approval.AnswerRejected, approval.AnswerExpired, approval.AnswerCancelled)...)
	want("note.", "", codes(approval.NoManager, approval.NoApprover)...)
	want("link.", "", codes(linkify.Active, linkify.Inactive, linkify.Revoked, linkify.Expired)...)
	want("unread.", "", codes(dlp.Encrypted, dlp.Corrupt, dlp.TooDeep, dlp.TooManyEntries, dlp.TooLarge, dlp.TimedOut, dlp.Unsupported, dlp.Unreadable, dlp.ScannerFailed)...)
	want("detail.", "", dlp.Details()...)
	want("skipped.", "", dlp.Skips()...)
	want("where.", "", codes(dlp.InHeader, dlp.InBody, dlp.InAttachment)...)
	want("verdict.", "", codes(policy.Send, policy.Delay, policy.Hold, policy.Refuse)...)
	want("role.", "", codes(signin.Admin, signin.Approver, signin.Auditor)...)
	want("error.refused_", ".title", codes(signin.NoClaim, signin.NotVerified, signin.NotAPerson, signin.OtherSubject, signin.OtherPerson)...)
	for _, v := range verdicts() {
		want("error.", ".title", v.key)
		want("error.", ".text", v.key)
	}
}

func mustLooks(t *testing.T) *looks {
	t.Helper()
	c, err := words.Load()
	must(t, err)
	l, err := newLooks(c, time.UTC)
	must(t, err)
	return l
}

func codes[T ~string](codes ...T) []string {
	var out []string
	for _, c := range codes {
		out = append(out, string(c))
	}
	return out
}

// TestEveryTextSpeaksBothLanguages keeps half-translated pages out.
func TestEveryTextSpeaksBothLanguages(t *testing.T) {
	entries, err := os.ReadDir("words")
	must(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".txt") {
			continue
		}
		raw, err := os.ReadFile("words/" + e.Name())
		must(t, err)
		for block := range strings.SplitSeq(string(raw), "\n[") {
			if !strings.Contains(block, "]") {
				continue
			}
			key, _, _ := strings.Cut(block, "]")
			for _, lang := range []string{"\nja: ", "\nen: "} {
				if !strings.Contains(block, lang) {
					t.Errorf("%s: %s lacks %q", e.Name(), key, strings.TrimSpace(lang))
				}
			}
			if names(block, "\nja: ") != names(block, "\nen: ") && !slices.Contains(excused(), strings.TrimPrefix(key, "[")) {
				t.Errorf("%s: %s has other {names} in one language", e.Name(), key)
			}
		}
	}
}

// excused are texts where one language needs a value and the other does not.
func excused() []string { return []string{"portal.enter_text"} }

func names(block, lang string) string {
	_, line, _ := strings.Cut(block, lang)
	line, _, _ = strings.Cut(line, "\n")
	found := regexp.MustCompile(`\{[a-z]+\}`).FindAllString(line, -1)
	slices.Sort(found)
	return strings.Join(found, "")
}
