package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
)

// reasons explain what a rule that fired saw: its own words where it has
// some, else what its conditions saw, else what it does.
func (r *Rule) reasons(f *Facts) []Reason {
	if r.Then.Reason != (Text{}) {
		return []Reason{{Rule: r.Name, Code: "rule", JA: r.Then.Reason.JA, EN: r.Then.Reason.EN}}
	}
	var reasons []Reason
	for _, c := range r.when {
		if c.explain != nil {
			reasons = append(reasons, c.explain(f)...)
		}
	}
	if len(reasons) == 0 {
		reasons = []Reason{r.plain()}
	}
	for i := range reasons {
		reasons[i].Rule = r.Name
	}
	return reasons
}

// plain is the sentence for a rule that looks at recipients or senders only
// and has no words of its own.
func (r *Rule) plain() Reason {
	ja, en := "", ""
	if r.When != nil && r.When.Recipients == External {
		ja, en = "社外の宛先のため、", "outside recipients: "
	}
	switch {
	case r.Mode != Enforce || !r.Then.Refuse && r.Then.Hold == nil && r.Then.Delay == 0:
		// What the rule would do is not what becomes of the mail.
		return Reason{Code: "noted", JA: ja + "社内の規則に当たります", EN: en + "a company rule speaks of it"}
	case r.Then.Refuse:
		return Reason{Code: "refuse", JA: ja + "社内の規則により送信できません", EN: en + "a company rule forbids sending it"}
	case r.Then.Hold != nil:
		return Reason{Code: "hold", JA: ja + "社内の規則により確認が必要です", EN: en + "a company rule asks for a check first"}
	default:
		return Reason{Code: "delay", JA: ja + spanJA(r.Then.Delay) + "後に送信します", EN: en + "sent after " + spanEN(r.Then.Delay)}
	}
}

func (c *Conditions) explainContent(f *Facts) []Reason {
	var reasons []Reason
	for _, t := range c.Content {
		if !t.matches(f) {
			continue
		}
		_, findings := t.found(f)
		for _, x := range merged(findings) {
			reasons = append(reasons, c.contentReason(x))
		}
	}
	return reasons
}

// merged adds the counts of one detector over its levels and keeps the surest.
func merged(findings []Finding) []Finding {
	var out []Finding
	at := map[string]int{}
	for _, x := range findings {
		i, ok := at[x.Detector]
		if !ok {
			at[x.Detector] = len(out)
			out = append(out, x)
			continue
		}
		out[i].Count += x.Count
		if x.Level.AtLeast(out[i].Level) {
			out[i].Level = x.Level
		}
	}
	return out
}

func (c *Conditions) contentReason(x Finding) Reason {
	k := kindOf(x.Detector)
	code := "content:" + x.Detector
	if k.sentenceJA != "" {
		return Reason{Code: code, JA: fmt.Sprintf(k.sentenceJA, x.Count), EN: fmt.Sprintf(k.sentenceEN, x.Count)}
	}
	whereJA, whereEN := "", ""
	if c.Recipients == External {
		whereJA, whereEN = "社外宛てに", ", going outside the company"
	}
	return Reason{Code: code,
		JA: fmt.Sprintf("%s %d 件（確度 %s）が%s含まれています", k.ja, x.Count, levelJA(x.Level), whereJA),
		EN: fmt.Sprintf("%s: %d found (%s)%s", k.en, x.Count, x.Level, whereEN)}
}

func levelJA(l Level) string {
	switch l {
	case High:
		return "高"
	case Medium:
		return "中"
	}
	return "低"
}

func (c *Conditions) explainAttachment(f *Facts) []Reason {
	n := 0
	for _, a := range f.Attachments {
		if c.Attachment.fits(a) {
			n++
		}
	}
	return []Reason{{Code: "attachment", JA: fmt.Sprintf("規則に当たる添付ファイルが %d 件あります", n),
		EN: fmt.Sprintf("%d attachment(s) that a rule speaks of", n)}}
}

func (c *Conditions) explainSize(f *Facts) []Reason {
	size, limit := yamlfile.Size(f.Size>>10<<10), *c.SizeOver
	return []Reason{{Code: "size_over", JA: fmt.Sprintf("メールの大きさが %s を超えています（%s）", limit, size),
		EN: fmt.Sprintf("the mail is larger than %s (%s)", limit, size)}}
}

func (c *Conditions) explainTime(f *Facts) []Reason {
	at := f.Now.Format("15:04")
	return []Reason{{Code: "time", JA: "規則で定めた時間帯の送信です（" + at + "）", EN: "sent at a time that a rule speaks of (" + at + ")"}}
}

func explainSubject(*Facts) []Reason {
	return []Reason{{Code: "subject", JA: "件名に、規則で定めた語があります", EN: "the subject has a word that a rule speaks of"}}
}

func explainReopens(*Facts) []Reason {
	return []Reason{{Code: "reopens_link", JA: "以前のメールのファイルを、もう一度使えるようにするメールです", EN: "it opens files of an earlier mail again"}}
}

func explainAnyRecipient(*Facts) []Reason {
	return []Reason{{Code: "any_recipient", JA: "規則に当たる宛先が含まれています", EN: "a recipient that a rule speaks of is among them"}}
}

func explainCount(key string, limit int, count func(*Facts) int) func(*Facts) []Reason {
	ja := map[string]string{
		"recipients_over":          "宛先が %d 件あります（%d 件まで）",
		"external_recipients_over": "To と Cc に社外の宛先が %d 件あります（%d 件まで）",
		"external_domains_over":    "社外の宛先が %d ドメインにわたります（%d ドメインまで）",
		"bcc_over":                 "Bcc の宛先が %d 件あります（%d 件まで）",
	}[key]
	en := map[string]string{
		"recipients_over":          "%d recipients (up to %d are usual)",
		"external_recipients_over": "%d outside recipients in To and Cc (up to %d are usual)",
		"external_domains_over":    "outside recipients in %d domains (up to %d are usual)",
		"bcc_over":                 "%d Bcc recipients (up to %d are usual)",
	}[key]
	return func(f *Facts) []Reason {
		n := count(f)
		return []Reason{{Code: key, JA: fmt.Sprintf(ja, n, limit), EN: fmt.Sprintf(en, n, limit)}}
	}
}

func cannotLink(rule string, n int) Reason {
	return Reason{Rule: rule, Code: "cannot_link",
		JA: fmt.Sprintf("署名や暗号化などのため、リンクに置き換えられない添付ファイルが %d 件あります", n),
		EN: fmt.Sprintf("%d attachment(s) cannot be replaced by a link (signed, encrypted or of a special form)", n)}
}

// spanJA writes a length of time for people: 1時間30分.
func spanJA(d time.Duration) string { return span(d, "日", "時間", "分", "秒", "") }

func spanEN(d time.Duration) string {
	return strings.TrimSpace(span(d, " d", " h", " min", " s", " "))
}

func span(d time.Duration, days, hours, minutes, seconds, between string) string {
	var parts []string
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, days}, {time.Hour, hours}, {time.Minute, minutes}, {time.Second, seconds}} {
		if n := d / u.size; n > 0 {
			parts = append(parts, fmt.Sprintf("%d%s", n, u.name))
			d -= n * u.size
		}
	}
	if len(parts) == 0 {
		return "0" + seconds
	}
	return strings.Join(parts, between)
}
