package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/submission/policy"
)

// threeFiles is a mail of 3.5 MB.
func threeFiles(f *policy.Facts) {
	f.Size = 3_500_000
	f.Attachments = []policy.Attachment{
		{Name: "list.xlsx", Type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Size: 10_000},
		{Name: "plan.pdf", Type: "application/pdf", Size: 2_000_000},
		{Name: "photo.JPG", Type: "image/jpeg", Size: 1_000_000},
	}
}

// linkedBy are the files that become links for the first recipient.
func linkedBy(t *testing.T, rules string, f policy.Facts) (names []string) {
	t.Helper()
	v := only(t, rules, f)
	for _, a := range f.Attachments {
		if v.Link != nil && v.Link.Wants(a) {
			names = append(names, a.Name)
		}
	}
	return names
}

func TestALinkRuleTakesTheFilesThatItNames(t *testing.T) {
	for order, want := range map[string]string{
		`{}`:                                    "list.xlsx plan.pdf photo.JPG",
		`{over: 1MB}`:                           "plan.pdf",
		`{types: [pdf]}`:                        "plan.pdf",
		`{types: [image/*]}`:                    "photo.JPG",
		`{names: ["*.xlsx", "*.jpg"]}`:          "list.xlsx photo.JPG",
		`{types: [image/*, pdf], over: 1500kB}`: "plan.pdf",
		`{types: [image/*], names: ["*.pdf"]}`:  "",
		`{over: 1MB, when_mail_over: 3MB}`:      "list.xlsx plan.pdf photo.JPG",
		`{over: 1MB, when_mail_over: 5MB}`:      "plan.pdf",
		`{types: [zip], when_mail_over: 1MB}`:   "list.xlsx plan.pdf photo.JPG",
		`{exempt: [other.example], over: 1MB}`:  "",
	} {
		got := linkedBy(t, "  - {name: r, then: {link: "+order+"}}\n", outside(threeFiles))
		if strings.Join(got, " ") != want {
			t.Errorf("%s links %v, want %q", order, got, want)
		}
	}
}

func TestAMailTooLargeForItsProviderIsLinkedForEverybody(t *testing.T) {
	rule := "  - {name: r, then: {link: {exempt: [other.example, partners], unless_tls: true, when_mail_over: %s}}}\n"
	f := outside(threeFiles)
	f.Recipients[0].Address = "b@partner.example"
	if v := only(t, fmt.Sprintf(rule, "4MB"), f); v.Link != nil {
		t.Errorf("an exempt partner gets a link below the limit: %+v", v.Link)
	}
	v := only(t, fmt.Sprintf(rule, "3MB"), f)
	if v.Link == nil || v.Link.UnlessTLS {
		t.Fatalf("above the limit: %+v", v.Link)
	}
}

func TestOnlyAllRulesTogetherLeaveFilesInTheMail(t *testing.T) {
	v := only(t, "  - {name: a, then: {link: {unless_tls: true, paperclip: true}}}\n  - {name: b, then: {link: {over: 1MB}}}\n", outside(threeFiles))
	if v.Link == nil || v.Link.UnlessTLS || !v.Link.Paperclip {
		t.Errorf("%+v", v.Link)
	}
	v = only(t, "  - {name: a, then: {link: {unless_tls: true}}}\n  - {name: b, then: {link: {unless_tls: true, over: 1MB}}}\n", outside(threeFiles))
	if v.Link == nil || !v.Link.UnlessTLS {
		t.Errorf("%+v", v.Link)
	}
}

// What several rules name is linked together, and the same whatever their order.
func TestLinkRulesTogetherTakeWhatAnyOfThemTakes(t *testing.T) {
	for _, pair := range []struct {
		a, b string
		want string
	}{
		{"{types: [pdf]}", "{names: ['*.xlsx']}", "list.xlsx plan.pdf"},
		{"{types: [xlsx]}", "{over: 1500kB}", "list.xlsx plan.pdf"},
		{"{types: [pdf]}", "{}", "list.xlsx plan.pdf photo.JPG"},
		{"{types: [pdf]}", "{types: [pdf], over: 5MB}", "plan.pdf"},
	} {
		rules := []string{"  - {name: a, then: {link: " + pair.a + "}}\n", "  - {name: b, then: {link: " + pair.b + "}}\n"}
		for range 2 {
			got := linkedBy(t, rules[0]+rules[1], outside(threeFiles))
			if strings.Join(got, " ") != pair.want {
				t.Errorf("%v link %v, want %q", rules, got, pair.want)
			}
			slices.Reverse(rules)
		}
	}
}

func TestExpectationsSayWhichFilesAreLinked(t *testing.T) {
	const mail = "from: a@corp.example, to: x@other.example, attachments: [{name: a.pdf, size: 2MB}, {name: b.csv, size: 1kB}], action: send"
	p := parse(t, "version: 1\nrules:\n  - {name: r, then: {link: {types: [pdf], unless_tls: true}}}\nexpect:\n"+
		"  - {name: right, "+mail+", linked: [a.pdf], unless_tls: true}\n  - {name: wrong, "+mail+", linked: [b.csv], unless_tls: false}\n")
	for i, differences := range []int{0, 2} {
		e := &p.Expect[i]
		f := e.Facts(func(string) bool { return true }, noon)
		if wrong := e.Check(p.Evaluate(f)); len(wrong) != differences {
			t.Errorf("%s: %v", e.Name, wrong)
		}
	}
}

// One rule that hands nothing out is enough, whatever the others allow.
func TestViewOnlyIsStricterThanEverythingBesideIt(t *testing.T) {
	const view = "  - {name: a, then: {link: {view_only: true}}}\n"
	for _, other := range []string{"", "  - {name: b, then: {link: {unless_tls: true}}}\n", "  - {name: b, then: {link: {otherwise: send}}}\n", "  - {name: b, then: {link: {preview: true}}}\n"} {
		v := only(t, view+other, outside(threeFiles))
		if v.Link == nil || !v.Link.ViewOnly || !v.Link.Preview || v.Link.UnlessTLS || v.Link.AsIs {
			t.Errorf("beside %q: %+v", other, v.Link)
		}
	}
	if v := only(t, "  - {name: a, then: {link: {preview: true}}}\n", outside(threeFiles)); v.Link.ViewOnly || !v.Link.Preview {
		t.Errorf("preview alone: %+v", v.Link)
	}
	for _, order := range []string{"{view_only: true, unless_tls: true}", "{view_only: true, otherwise: send}"} {
		_, problems := policy.Parse([]byte("version: 1\nrules:\n  - {name: r, then: {link: " + order + "}}\n"))
		if len(problems) != 1 || !strings.Contains(problems[0].Text, "hand out") {
			t.Errorf("%s: %v", order, problems)
		}
	}
}
