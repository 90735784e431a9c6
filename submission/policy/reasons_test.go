package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/submission/policy"
)

// TestReasonsReadWell keeps every generated sentence, in both languages, where
// somebody reads it again when it changes.
func TestReasonsReadWell(t *testing.T) {
	hold := ", then: {hold: {approvers: [manager]}}}"
	var got strings.Builder
	for _, rule := range []string{
		"{name: r, when: {recipients: external, content: [{detector: jp.my_number}]}" + hold,
		"{name: r, when: {content: [{detector: jp.my_number, level: low}, {detector: jp.phone}]}" + hold,
		"{name: r, when: {recipients: external, content: [{detector: secret.*}, {detector: keyword.projects}]}" + hold,
		"{name: r, when: {attachment: {types: [xlsx]}}" + hold,
		"{name: r, when: {subject: [見積]}" + hold,
		"{name: r, when: {size_over: 4MiB}" + hold,
		"{name: r, when: {time: {days: [wed]}}" + hold,
		"{name: r, when: {any_recipient: {bcc: true}}" + hold,
		"{name: r, when: {recipients_over: 1}" + hold,
		"{name: r, when: {external_recipients_over: 0}" + hold,
		"{name: r, when: {external_domains_over: 1}" + hold,
		"{name: r, when: {bcc_over: 0}" + hold,
		"{name: r, when: {recipients: external}" + hold,
		"{name: r, when: {sender_groups: [sales]}" + hold,
		"{name: r, when: {recipients: external}, then: {refuse: true}}",
		"{name: r, when: {recipients: external}, then: {delay: 5m}}",
		"{name: r, when: {sender_groups: [sales]}, then: {delay: 1h30m}}",
		"{name: r, when: {recipients: external}, then: {delay: 5m, reason: {ja: 理由, en: why}}}",
		"{name: r, when: {recipients: external}, then: {delay: 5m, reason: {en: one text only}}}",
	} {
		p := parse(t, "version: 1\nkeywords: {projects: [Falcon]}\nrules: ["+rule+"]\n")
		for _, reason := range p.Evaluate(facts(nil)).Recipients[1].Reasons {
			fmt.Fprintf(&got, "%s\n  %s\n  %s\n", reason.Code, reason.In("ja"), reason.In("en"))
		}
	}
	for _, form := range []string{"encrypted", "executable", "macro", "mismatched_type", "ambiguous_mime", "uninspectable", "hidden_content", "tnef", "malware"} {
		f := outside(func(f *policy.Facts) { f.Findings = []policy.Finding{{Detector: form, Level: policy.High, Count: 2}} })
		p := parse(t, "version: 1\nrules: [{name: r, when: {content: [{detector: "+form+"}]}"+hold+"]\n")
		reason := p.Evaluate(f).Recipients[0].Reasons[0]
		fmt.Fprintf(&got, "%s\n  %s\n  %s\n", reason.Code, reason.JA, reason.EN)
	}
	golden(t, "reasons.txt", got.String())
}

func TestTheContractsSentence(t *testing.T) {
	f := outside(func(f *policy.Facts) {
		f.Findings = []policy.Finding{{Detector: "jp.my_number", Level: policy.High, Count: 2}}
	})
	r := parse(t, string(policy.Factory())).Evaluate(f).Recipients[0]
	if got := r.Reasons[0].In("ja"); got != "個人番号 2 件（確度 高）が社外宛てに含まれています" {
		t.Error(got)
	}
}

func TestPeriodsReadBackAsWritten(t *testing.T) {
	for text, want := range map[string]policy.Period{
		"3bd": {BusinessDays: 3}, "4bh": {BusinessHours: 4}, "36h": {Duration: 36 * time.Hour}, "7d": {Duration: 7 * 24 * time.Hour},
	} {
		var p, back policy.Period
		if err := p.UnmarshalText([]byte(text)); err != nil || p != want {
			t.Errorf("%s became %v (%v)", text, p, err)
		}
		b, _ := p.MarshalText()
		if err := back.UnmarshalText(b); err != nil || back != p {
			t.Errorf("%s was stored as %s and read as %v", text, b, back)
		}
	}
}
