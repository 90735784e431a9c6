package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// timeless takes the time it took out of an output.
func timeless(s string) string {
	return regexp.MustCompile(`"millis":\d+|\d+ ms`).ReplaceAllString(s, "N")
}

func TestScanPrintsTheContractsObject(t *testing.T) {
	r := command(t, "", "scan", "--json", "--to", "b@other.example", "testdata/mynumber.eml")
	if r.code != 0 || strings.Count(r.out, "\n") != 1 {
		t.Fatalf("exit %d, %d lines: %s", r.code, strings.Count(r.out, "\n"), r.err)
	}
	var got struct {
		File     string
		Findings []struct {
			Detector, Level string
			Count           int
			Matches         []struct{ Where, Path, Excerpt string }
		}
		Uninspectable []any
		Verdict       struct {
			Recipients []struct {
				Address, Action, Delay, Access        string
				Approvers, Transforms, Rules, Reasons []string
			}
		}
		Millis *int
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatal(err)
	}
	to := got.Verdict.Recipients
	if got.File != "testdata/mynumber.eml" || got.Uninspectable == nil || got.Millis == nil || len(to) != 1 {
		t.Fatalf("%s", r.out)
	}
	v := to[0]
	if v.Address != "b@other.example" || v.Action != "hold" || v.Delay != "5m0s" || !slices.Equal(v.Approvers, []string{"manager"}) ||
		!slices.Equal(v.Transforms, []string{"link"}) || !slices.Equal(v.Rules, []string{"my-number"}) || v.Access != "code" ||
		!slices.Equal(v.Reasons, []string{"個人番号 2 件（確度 高）が社外宛てに含まれています"}) {
		t.Errorf("verdict %+v", v)
	}
	f := got.Findings[slices.IndexFunc(got.Findings, func(f struct {
		Detector, Level string
		Count           int
		Matches         []struct{ Where, Path, Excerpt string }
	}) bool {
		return f.Detector == "jp.my_number"
	})]
	if f.Level != "high" || f.Count != 2 || f.Matches[1].Where != "attachment" || f.Matches[1].Path != "名簿.csv#B2" {
		t.Errorf("finding %+v", f)
	}
	if strings.Contains(r.out, "314159265352") || strings.Contains(r.out, `\u003c`) {
		t.Error("the number stands unmasked in the output, or the output is escaped for HTML")
	}
}

func TestScanOfAPlainMailIsTheSameForEver(t *testing.T) {
	r := command(t, "", "scan", "--json", "testdata/plain.eml", "testdata/quote.eml")
	golden(t, "scan.json", timeless(r.out))
	r = command(t, "", "scan", "testdata/plain.eml", "testdata/quote.eml")
	golden(t, "scan.txt", timeless(r.out))
}

func TestScanOfADocumentHasNoVerdict(t *testing.T) {
	r := command(t, "", "scan", "--json", "testdata/staff.csv")
	if r.code != 0 || strings.Contains(r.out, "verdict") || !strings.Contains(r.out, `"detector":"jp.my_number","level":"high"`) {
		t.Errorf("exit %d: %s", r.code, r.out)
	}
}

func TestScanGoesOnAfterAFileThatCannotBeRead(t *testing.T) {
	r := command(t, "", "scan", "--json", "testdata/none.eml", t.TempDir(), "testdata/plain.eml")
	if r.code != 2 || strings.Count(r.out, "\n") != 1 || !strings.Contains(r.err, "none.eml: no such file") {
		t.Errorf("exit %d, out %q, err %q", r.code, r.out, r.err)
	}
}

func TestScanReadsStandardInput(t *testing.T) {
	mail, err := os.ReadFile("testdata/plain.eml")
	if err != nil {
		t.Fatal(err)
	}
	r := command(t, string(mail), "scan", "--language", "en", "-")
	if r.code != 0 || !strings.Contains(r.out, "b@other.example  SEND, after 5m") {
		t.Errorf("exit %d: %s", r.code, r.out)
	}
}

func TestTheInternalDomainIsTheSendersUnlessConfigured(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, `"address":"bob@corp.example","action":"send"`},
		{[]string{"--from", "x@other.example"}, `"address":"bob@corp.example","action":"delay"`},
		{[]string{"--to", "c@elsewhere.example"}, `"address":"c@elsewhere.example","action":"delay"`},
		{[]string{"--from", "x@elsewhere.example", "--to", "c@elsewhere.example"}, `"address":"c@elsewhere.example","action":"send"`},
	} {
		r := command(t, "", append(append([]string{"scan", "--json"}, c.args...), "testdata/plain.eml")...)
		if !strings.Contains(r.out, c.want) {
			t.Errorf("%v: %s lacks %s", c.args, r.out, c.want)
		}
	}
	dir := t.TempDir()
	config := write(t, dir, "sekisho.yaml", smallestConfig+"organization_x: 1\n")
	if r := command(t, "", "scan", "--config", config, "testdata/plain.eml"); r.code != 2 || !strings.Contains(r.err, `sekisho.yaml:5: unknown key "organization_x"`) {
		t.Errorf("a wrong configuration: exit %d, %s", r.code, r.err)
	}
	config = write(t, dir, "sekisho.yaml", strings.Replace(smallestConfig, "domains: [corp.example]", "domains: [other.example]", 1)+"policy: {mode: observe}\n")
	r := command(t, "", "scan", "--config", config, "--json", "testdata/plain.eml")
	if !strings.Contains(r.out, `"address":"b@other.example","action":"send"`) || !strings.Contains(r.out, `"address":"bob@corp.example","action":"delay"`) {
		t.Errorf("the configured domain is not heard, or observing hides what would happen: %s", r.out)
	}
}

func TestScanJudgesByTheNamedPolicy(t *testing.T) {
	p := write(t, t.TempDir(), "policy.yaml", `version: 1
keywords: {meals: [lunch]}
rules: [{name: no-lunch, when: {recipients: external, content: [{detector: keyword.meals}]}, then: {refuse: true, reason: {ja: 昼食の話です, en: about lunch}}}]
`)
	r := command(t, "", "scan", "--policy", p, "--json", "testdata/plain.eml")
	if !strings.Contains(r.out, `"action":"refuse"`) || !strings.Contains(r.out, "昼食の話です") {
		t.Error(r.out)
	}
	wrong := write(t, t.TempDir(), "wrong.yaml", "version: 1\nrules: [{name: a}]\n")
	if r := command(t, "", "scan", "--policy", wrong, "testdata/plain.eml"); r.code != 2 || !strings.Contains(r.err, "wrong.yaml:2: then says nothing to do") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
}

func TestAWrongAddressIsSaidAtOnce(t *testing.T) {
	r := command(t, "", "scan", "--from", "nobody", "--to", "a@b@c", "testdata/plain.eml")
	if r.code != 2 || !strings.Contains(r.err, "--from nobody") || !strings.Contains(r.err, "--to a@b@c") || r.out != "" {
		t.Errorf("exit %d, out %q, err %q", r.code, r.out, r.err)
	}
}

func TestWhatIsNoMailIsHeldForAdministrators(t *testing.T) {
	path := write(t, t.TempDir(), "x.eml", "\x00\x01\x02 nothing like a mail")
	r := command(t, "", "scan", "--json", "--to", "b@other.example", path)
	if !strings.Contains(r.out, `"action":"hold"`) || !strings.Contains(r.out, `"approvers":["admin"]`) {
		t.Error(r.out)
	}
}

func TestScanForPeopleShowsPlacesAndNoTricks(t *testing.T) {
	report := &dlp.Report{
		Findings: []dlp.Finding{
			{Detector: "jp.my_number", Level: dlp.High, Count: 7},
			{Detector: "jp.phone", Level: dlp.Medium, Count: 1, Matches: []dlp.Match{{Where: dlp.InBody, Path: "1.2", Excerpt: "TEL 03-****"}}},
			{Detector: "secret.aws", Level: dlp.Low, Count: 1, Matches: []dlp.Match{{Where: dlp.InHeader, Path: "Subject", Excerpt: "\x1b[2Jkey"}}},
			{Detector: "encrypted", Level: dlp.High, Count: 1},
			{Detector: "executable", Level: dlp.High, Count: 1, Matches: []dlp.Match{{Where: dlp.InAttachment, Path: "a\u202efdp.exe", Excerpt: "rtl"}}},
			{Detector: "hidden_content", Level: dlp.High, Count: 1, Matches: []dlp.Match{{Where: dlp.InAttachment, Path: "data.zip!/名簿.xlsx#会員!C12", Excerpt: "hidden_row"}}},
			{Detector: "ambiguous_mime", Level: dlp.High, Count: 1, Matches: []dlp.Match{{Where: dlp.InBody, Excerpt: "stray_delimiter"}}},
		},
		Uninspectable: []dlp.Uninspectable{{Path: "x.7z", Reason: dlp.Encrypted}, {Path: "data.zip!/old.doc", Reason: dlp.Corrupt}},
		Carriers: []dlp.Carrier{{Path: "x.7z", Type: "application/x-7z-compressed", Size: 1200}, {Path: "data.zip", Type: "application/zip", Size: 20480},
			{Path: "data.zip!/名簿.xlsx", Type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Size: 9100},
			{Path: "data.zip!/old.doc", Type: "application/x-ole-storage", Size: 512}, {Path: "data.zip!/a\x1b[2J.png", Type: "image/png", Size: 90_000, Skipped: "picture"}},
	}
	for range 7 {
		report.Findings[0].Matches = append(report.Findings[0].Matches, dlp.Match{Where: dlp.InAttachment, Path: "data.zip!/名簿.xlsx#Sheet2!B7", Excerpt: "個人番号 9832-****-****"})
	}
	verdict := policy.Verdict{Recipients: []policy.RecipientVerdict{
		{Address: "a@x.example", Action: policy.Refuse, Reasons: []policy.Reason{{Rule: "no", JA: "だめ", EN: "no"}}},
		{Address: "b@x.example", Action: policy.Hold, Delay: 5 * time.Minute, Link: &policy.Link{Access: policy.Code},
			Stages: []policy.Stage{{Approvers: []string{"sender"}, Quorum: 1}, {Approvers: []string{"group:legal", "manager"}, Quorum: 2}}},
		{Address: "c@x.example", Action: policy.Send, Watched: []policy.Hit{{Rule: "secrets"}}},
	}}
	var b bytes.Buffer
	for _, language := range []string{"en", "ja"} {
		s := scanned{file: "a.eml", report: report, verdict: &verdict, language: language}
		if err := s.write(&b); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "scan_people.txt", timeless(b.String()))
}

func TestAMailSplitByAGatewayStillCountsItsOtherRecipients(t *testing.T) {
	var to []string
	for i := range 11 {
		to = append(to, string(rune('a'+i))+"@other.example")
	}
	mail := "From: alice@corp.example\r\nTo: " + strings.Join(to, ", ") + "\r\nSubject: x\r\n\r\nx\r\n"
	path := write(t, t.TempDir(), "split.eml", mail)
	r := command(t, "", "scan", "--json", "--to", "a@other.example", path)
	if !strings.Contains(r.out, `"rules":["many-recipients"]`) {
		t.Error(r.out)
	}
}

func TestPeopleAndGroupsOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "people.yaml", "people:\n  - {address: alice@corp.example, aliases: [a.sato@corp.example], name: 佐藤 花子, groups: [executives]}\n")
	write(t, dir, "policy.yaml", "version: 1\nrules: [{name: check, when: {recipients: external}, unless: {sender_groups: [executives]}, then: {hold: {approvers: [manager]}}}]\n")
	config := write(t, dir, "sekisho.yaml", smallestConfig+"policy: {file: policy.yaml}\n")
	for from, want := range map[string]string{"a.sato@corp.example": `"action":"send"`, "bob@corp.example": `"action":"hold"`} {
		r := command(t, "", "scan", "--config", config, "--json", "--from", from, "--to", "b@other.example", "testdata/plain.eml")
		if !strings.Contains(r.out, want) {
			t.Errorf("%s: %s%s", from, r.out, r.err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "sekisho.db")); err == nil {
		t.Error("a scan left a database behind")
	}
}
