package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/submission/policy"
)

// rule wraps conditions into a policy whose only rule refuses: what it
// selects is refused, everything else is sent.
func rule(conditions string) string {
	return `version: 1
lists: {partners: [partner.example, .group.example, friend@mixed.example], words: [極秘, Secret]}
keywords: {projects: [Falcon]}
patterns: {staff: 'E\d{6}'}
rules: [{name: r, ` + conditions + `, then: {refuse: true}}]
`
}

func facts(change func(*policy.Facts)) policy.Facts {
	f := policy.Facts{
		Sender: policy.Sender{Address: "alice@corp.example", Aliases: []string{"a.sato@corp.example"}, Department: "営業部", Groups: []string{"sales"}},
		Recipients: []policy.Recipient{
			{Address: "bob@corp.example"},
			{Address: "x@other.example", External: true},
			{Address: "y@Partner.Example", External: true, Bcc: true},
		},
		Subject: "御見積書（Ｓｅｃｒｅｔ）",
		Findings: []policy.Finding{
			{Detector: "jp.my_number", Level: policy.High, Count: 2},
			{Detector: "jp.my_number", Level: policy.Low, Count: 5},
			{Detector: "jp.phone", Level: policy.Medium, Count: 4},
			{Detector: "secret.aws", Level: policy.High, Count: 1},
			{Detector: "secret.slack", Level: policy.Medium, Count: 1},
			{Detector: "keyword.projects", Level: policy.Medium, Count: 1},
		},
		Attachments: []policy.Attachment{
			{Name: "名簿.XLSX", Type: "application/vnd.ms-excel", Size: 3 << 20},
			{Name: "logo.png", Type: "image/png", Size: 900},
		},
		Size: 5 << 20, Now: noon, Business: true,
	}
	if change != nil {
		change(&f)
	}
	return f
}

const (
	bob   = "bob@corp.example"
	other = "x@other.example"
	prtnr = "y@Partner.Example"
)

var all = []string{bob, other, prtnr}

// TestEveryConditionSelectsWhatItSays is the truth table: for every condition
// at least one mail it holds for and one it does not.
func TestEveryConditionSelectsWhatItSays(t *testing.T) {
	outside := []string{other, prtnr}
	none := []string(nil)
	table := []struct {
		when   string
		change func(*policy.Facts)
		want   []string
	}{
		{"when: {}", nil, all},
		{"when: {recipients: external}", nil, outside},
		{"when: {recipients: internal}", nil, []string{bob}},
		{"when: {recipients: any}", nil, all},
		{"when: {recipient_domains: [other.example]}", nil, []string{other}},
		{"when: {recipient_domains: [OTHER.example, partner.example]}", nil, outside},
		{"when: {recipient_domains: [.example]}", nil, all},
		{"when: {recipient_domains: ['*.example']}", nil, all},
		{"when: {recipient_domains: [partners]}", nil, []string{prtnr}},
		{"when: {recipient_domains: [list:partners]}", nil, []string{prtnr}},
		{"when: {recipient_domains: [partners]}", to("a@sub.group.example"), []string{"a@sub.group.example"}},
		{"when: {recipient_domains: [partners]}", to("a@group.example"), none},
		{"when: {recipient_domains: [partners]}", to("Friend@Mixed.example"), []string{"Friend@Mixed.example"}},
		{"when: {recipient_domains: [partners]}", to("foe@mixed.example"), none},
		{"when: {recipient_domains: [例え.テスト.example]}", to("a@xn--r8jz45g.xn--zckzah.example"), []string{"a@xn--r8jz45g.xn--zckzah.example"}},
		{"when: {recipient_addresses: [X@Other.example]}", nil, []string{other}},
		{"when: {recipient_addresses: [z@other.example]}", nil, none},
		{"when: {bcc: true}", nil, []string{prtnr}},
		{"when: {bcc: false}", nil, []string{bob, other}},
		{"when: {recipients: external, bcc: false}", nil, []string{other}},
		{"when: {any_recipient: {recipients: external}}", nil, all},
		{"when: {any_recipient: {recipients: external}}", to(bob), none},
		{"when: {any_recipient: {recipient_domains: [other.example], bcc: true}}", nil, none},
		{"when: {any_recipient: {recipient_domains: [split.example]}}", headerOnly("c@split.example"), all},
		{"when: {recipients: internal, any_recipient: {recipients: external}}", nil, []string{bob}},
		{"when: {sender_addresses: [alice@corp.example]}", nil, all},
		{"when: {sender_addresses: [a.sato@corp.example]}", nil, all},
		{"when: {sender_addresses: [bob@corp.example]}", nil, none},
		{"when: {sender_addresses: [corp.example]}", nil, all},
		{"when: {sender_groups: [hr, sales]}", nil, all},
		{"when: {sender_groups: [hr]}", nil, none},
		{"when: {sender_departments: [営業部]}", nil, all},
		{"when: {sender_departments: [総務部]}", nil, none},
		{"when: {sources: [printers]}", nil, none},
		{"when: {sources: [printers]}", func(f *policy.Facts) { f.Source = "printers" }, all},
		{"when: {content: [{detector: jp.my_number}]}", nil, all},
		{"when: {content: [{detector: jp.my_number, count: 2}]}", nil, all},
		{"when: {content: [{detector: jp.my_number, count: 3}]}", nil, none},
		{"when: {content: [{detector: jp.my_number, level: low, count: 7}]}", nil, all},
		{"when: {content: [{detector: jp.my_number, level: low, count: 8}]}", nil, none},
		{"when: {content: [{detector: jp.phone, level: high}]}", nil, none},
		{"when: {content: [{detector: jp.phone, level: high}, {detector: jp.my_number, level: high}]}", nil, all},
		{"when: {content: [{detector: secret.*, count: 2}]}", nil, all},
		{"when: {content: [{detector: secret.*, level: high, count: 2}]}", nil, none},
		{"when: {content: [{detector: secret.aws, count: 1}]}", nil, all},
		{"when: {content: [{detector: keyword.projects}]}", nil, all},
		{"when: {content: [{detector: pattern.staff}]}", nil, none},
		{"when: {attachment: any}", nil, all},
		{"when: {attachment: any}", noFiles, none},
		{"when: {attachment: {types: [xlsx]}}", nil, all},
		{"when: {attachment: {types: [.XLSX, pdf]}}", nil, all},
		{"when: {attachment: {types: [xls]}}", nil, none},
		{"when: {attachment: {types: [image/*]}}", nil, all},
		{"when: {attachment: {types: [video/*]}}", nil, none},
		{"when: {attachment: {names: ['名簿*']}}", nil, all},
		{"when: {attachment: {names: ['?簿.xlsx']}}", nil, all},
		{"when: {attachment: {names: [名簿]}}", nil, none},
		{"when: {attachment: {over: 3MiB}}", nil, none},
		{"when: {attachment: {over: 3MB}}", nil, all},
		{"when: {attachment: {types: [image/*], over: 1MB}}", nil, none},
		{"when: {subject: [見積]}", nil, all},
		{"when: {subject: [secret]}", nil, all},
		{"when: {subject: [list:words]}", nil, all},
		{"when: {subject: [請求]}", nil, none},
		{"when: {size_over: 5MiB}", nil, none},
		{"when: {size_over: 4MiB}", nil, all},
		{"when: {recipients_over: 2}", nil, all},
		{"when: {recipients_over: 3}", nil, none},
		{"when: {recipients_over: 3}", headerOnly("c@split.example"), all},
		{"when: {external_recipients_over: 0}", nil, all},
		{"when: {external_recipients_over: 1}", nil, none}, // Bcc is not To or Cc
		{"when: {external_recipients_over: 1}", headerOnly("c@split.example"), all},
		{"when: {external_domains_over: 1}", nil, all},
		{"when: {external_domains_over: 2}", nil, none},
		{"when: {external_domains_over: 2}", headerOnly("c@OTHER.example"), none},
		{"when: {external_domains_over: 2}", headerOnly("c@split.example"), all},
		{"when: {bcc_over: 0}", nil, all},
		{"when: {bcc_over: 1}", nil, none},
		{"when: {automatic: true}", nil, none},
		{"when: {automatic: false}", nil, all},
		{"when: {automatic: true}", func(f *policy.Facts) { f.Automatic = true }, all},
		{"when: {time: {days: [wed]}}", nil, all},
		{"when: {time: {days: [sat, sun]}}", nil, none},
		{"when: {time: {hours: 12:00-13:00}}", nil, all},
		{"when: {time: {hours: 09:00-12:00}}", nil, none},
		{"when: {time: {hours: 22:00-06:00}}", at(23, 30), all},
		{"when: {time: {hours: 22:00-06:00}}", at(5, 59), all},
		{"when: {time: {hours: 22:00-06:00}}", at(6, 0), none},
		{"when: {time: {hours: 18:00-24:00}}", at(23, 59), all},
		{"when: {time: {business: true}}", nil, all},
		{"when: {time: {business: false}}", nil, none},
		{"when: {recipients: external, content: [{detector: jp.phone}], size_over: 4MiB}", nil, outside},
		{"when: {recipients: external, content: [{detector: iban}], size_over: 4MiB}", nil, none},
		{"when: {recipients: external}, unless: {}", nil, outside},
		{"when: {recipients: external}, unless: {recipient_domains: [partners]}", nil, []string{other}},
		{"when: {recipients: external}, unless: {recipient_domains: [partners], automatic: false}", nil, none},
		{"when: {recipients: external}, unless: {recipient_domains: [partners], automatic: true}", nil, []string{other}},
		{"unless: {recipients: external}", nil, []string{bob}},
		{"unless: {content: [{detector: jp.phone}]}", nil, none},
		{"from: 2025-11-26, until: 2025-11-26", nil, all},
		{"from: 2025-11-27", nil, none},
		{"until: 2025-11-25", nil, none},
		{"mode: audit", nil, none},
		{"mode: notify", nil, none},
	}
	for _, c := range table {
		p := parse(t, rule(c.when))
		var got []string
		for _, r := range p.Evaluate(facts(c.change)).Recipients {
			if r.Action == policy.Refuse {
				got = append(got, r.Address)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s selects %v, want %v", c.when, got, c.want)
		}
	}
}

func to(address string) func(*policy.Facts) {
	return func(f *policy.Facts) {
		f.Recipients = []policy.Recipient{{Address: address, External: outsideCorp(address)}}
	}
}

func headerOnly(address string) func(*policy.Facts) {
	return func(f *policy.Facts) {
		f.HeaderOnly = []policy.Recipient{{Address: address, External: outsideCorp(address)}}
	}
}

func noFiles(f *policy.Facts) { f.Attachments = nil }

func at(hour, minute int) func(*policy.Facts) {
	return func(f *policy.Facts) {
		f.Now = time.Date(2025, 11, 26, hour, minute, 0, 0, noon.Location())
	}
}
