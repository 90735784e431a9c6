package holdqueue

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// reportWords are the fixed sentences of a report: what happened first, then what to do.
type reportWords struct {
	from    string
	subject string
	happens string // Japanese
	advice  string
	english string
}

func (s *StatusReport) words() reportWords {
	from := "メール配送の通知 / Mail Delivery System"
	switch s.Action {
	case reportDelayed:
		return reportWords{
			from: from, subject: "【まだ届いていません】",
			happens: "次の宛先には、まだメールをお届けできていません。引き続き自動で送信を試みます。",
			advice:  "いまのところ、送り直していただく必要はありません。",
			english: "Your mail has not reached the following recipients yet. We keep trying; you need not send it again.",
		}
	case reportRelayed:
		return reportWords{
			from: from, subject: "【送信しました】",
			happens: "次の宛先へのメールを、次のメールサーバーに引き渡しました。",
			advice:  "その先のサーバーが配達の確認に対応していないため、このあとの通知はありません。",
			english: "Your mail was passed on for the following recipients. The next server does not confirm deliveries, " +
				"so no further notice follows.",
		}
	}
	return reportWords{
		from: from, subject: "【届きませんでした】",
		happens: "次の宛先には、メールをお届けできませんでした。",
		advice:  "宛先と理由をご確認のうえ、必要であればもう一度お送りください。",
		english: "Your mail could not be delivered to the following recipients.",
	}
}

// text is the part that people read.
func (s *StatusReport) text() string {
	words := s.words()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("%s", words.happens)
	line("")
	for _, l := range s.Lines {
		line("・%s", l.Recipient.Address)
		if why := s.why(l); why != "" {
			line("　理由：%s", why)
		}
		if reply := replyText(l.Result); reply != "" {
			line("　サーバーの返答：%s", reply)
		}
	}
	line("")
	if subject := s.subject(); subject != "" {
		line("件名：%s", subject)
	}
	line("受付日時：%s", s.when(s.Message.AcceptedAt))
	if s.Action == reportDelayed && !s.Until.IsZero() {
		line("送信を試みる期限：%s（届けられないときは、あらためてお知らせします）", s.when(s.Until))
	}
	line("")
	line("%s", words.advice)
	line("")
	line("----")
	line("%s", words.english)
	for _, l := range s.Lines {
		line("  %s", l.Recipient.Address)
		if reply := replyText(l.Result); reply != "" {
			line("    %s", reply)
		}
	}
	return b.String()
}

// why puts the commonest causes into words. A mail that may have arrived is never called undelivered
// without saying so: the sender would send it twice.
func (s *StatusReport) why(l StatusLine) string {
	e := l.Result.Err
	if e == nil || s.Action == reportRelayed {
		return ""
	}
	if e.Uncertain || l.Recipient.Uncertain {
		return "送信の途中で接続が切れました。届いている可能性があります。送り直す前に、相手の方にご確認ください。"
	}
	if s.Action == reportDelayed {
		switch {
		case e.Enhanced == "4.7.5":
			return "相手側のメールサーバーと、必要な暗号化通信（TLS）を確立できません。"
		case e.Enhanced == "4.4.3" || e.Enhanced == "4.4.4":
			return "相手側のメールサーバーの所在（DNS）を、いまは確認できません。"
		}
		return "相手側のメールサーバーが、いまは受け取れない状態です。"
	}
	if e.Temporary {
		return "期限まで送信を繰り返しましたが、相手側のメールサーバーが受け取りませんでした。"
	}
	switch {
	case e.Enhanced == "5.1.1":
		return "このメールアドレスは、相手側のサーバーに存在しません。"
	case e.Enhanced == "5.1.10":
		return "このドメインは、メールを受け取らないと宣言しています。"
	case e.Enhanced == "5.1.2" && e.Code == 0:
		return "宛先のドメイン（@ の右側）が存在しません。"
	case e.Enhanced == "5.4.4":
		return "宛先のドメインに、届け先となるメールサーバーがありません。"
	case e.Enhanced == "5.4.6":
		return "配送の経路が循環しています。社内の管理者にお知らせください。"
	case e.Enhanced == "5.1.2" || e.Enhanced == "5.1.3":
		return "メールアドレスに誤りがあります。"
	case e.Enhanced == "5.2.2":
		return "相手の方のメールボックスがいっぱいです。"
	case e.Enhanced == "5.3.4" || e.Enhanced == "5.2.3" || e.Code == 552:
		return "メールの大きさが、受け取れる上限を超えています。"
	case e.Enhanced == "5.6.3" || e.Enhanced == "5.6.7":
		return "次のメールサーバーが、このメールの文字の形式に対応していません。"
	case strings.HasPrefix(e.Enhanced, "5.7."):
		return "相手側のメールサーバーが、受け取りを拒否しました。"
	}
	return "メールサーバーが、このメールを受け取りませんでした。"
}

// replyText is the next hop's answer on one line that cannot be mistaken for ours.
func replyText(r Result) string {
	text := r.Reply
	if r.Err != nil {
		text = r.Err.Error()
	}
	return oneLine(text, 300)
}

// subject is the sender's own, shortened.
func (s *StatusReport) subject() string { return oneLine(s.Message.Meta.Subject, 120) }

func oneLine(text string, limit int) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if utf8.RuneCountInString(clean) > limit {
		clean = string([]rune(clean)[:limit]) + "…"
	}
	return strings.TrimSpace(clean)
}

func (s *StatusReport) when(t time.Time) string {
	t = s.at(t)
	return fmt.Sprintf("%s（%s）%s", t.Format("2006年1月2日"), string([]rune("日月火水木金土")[t.Weekday()]), t.Format("15:04"))
}
