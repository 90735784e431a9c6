package approval

import (
	"flag"
	"html"
	"io"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

var update = flag.Bool("update", false, "write the golden notices anew")

func exampleNotice(t testing.TB, language string) notice {
	c := tokyo(t)
	n := notice{
		Subject: "名簿の件", Sender: "佐藤 花子さん", Count: countText(language, 2, 1), Outside: true,
		Reasons:    []string{"名簿.xlsx に個人番号と思われる番号が2件あります", "社外の宛先が3ドメインあります"},
		Recipients: []string{"suzuki@other.example", "ito@third.example" + bccMark(language)},
		Holders:    []string{"田中 一郎さん", "鈴木 次郎さん"},
		URL:        "https://hold.corp.example/requests/01jd00000000000000000000zz",
		Expires:    at(t, c, "2026-11-27 10:00"), Release: at(t, c, "2026-11-24 10:05"), Since: at(t, c, "2026-11-24 10:00"),
		At: at(t, c, "2026-11-24 10:03"), By: "田中 一郎さん", Comment: "番号の列を消してください。\n<b>C12</b> ほか",
		Released: []string{"suzuki@other.example"}, Remaining: []string{"kato@fourth.example"}, Enclosed: true,
		Further: true, Others: true, Rules: []string{"my-number", "名簿の送信"}, Cause: CauseUninspected, Earlier: 3, Lines: []string{"mail 01jd00000000000000000000zz, alice@corp.example"},
	}
	if language == langEN {
		n.Subject, n.Sender, n.By, n.Comment = "The list", "Hanako Sato", "Ichiro Tanaka", "Please take the numbers out.\n<b>C12</b> and others"
		n.Reasons = []string{"2 numbers in list.xlsx look like My Numbers", "3 outside domains"}
		n.Holders = []string{"Ichiro Tanaka", "Jiro Suzuki"}
	}
	return n
}

func allKinds() []kind {
	return []kind{noteHeld, noteAskSender, noteWaiting, noteQuestion, noteReminder, noteEscalation, noteApproved, noteRejected,
		noteExpired, noteStopped, noteCancelled, noteRefused, noteNoted, noteAlarm}
}

// Every notice, in both languages, through a whole mail and back, is what the
// golden file says.
func TestNoticesReadAsWritten(t *testing.T) {
	set, err := loadTexts(tokyo(t).Zone())
	must(t, err)
	for _, language := range []string{langJA, langEN} {
		for _, k := range allKinds() {
			t.Run(language+"/"+string(k), func(t *testing.T) {
				subject, text, err := set.write(language, k, exampleNotice(t, language))
				must(t, err)
				m, parts := parseMail(t, exampleMail(t, language, subject, text, nil))
				decoded, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
				must(t, err)
				if len(parts) != 2 || parts[0].mediaType != "text/plain" || parts[1].mediaType != "text/html" {
					t.Fatalf("parts %v", parts)
				}
				golden(t, filepath.Join(language, string(k)+".txt"), decoded+"\n\n"+strings.ReplaceAll(parts[0].body, "\r\n", "\n"))
				sameWords(t, text, parts[1].body)
			})
		}
	}
}

func exampleMail(t testing.TB, language, subject, text string, e *enclosed) string {
	l := &letter{from: "sekisho@corp.example", fromName: "株式会社コープ", to: "alice@corp.example", subject: subject, text: text,
		html: asHTML(language, text, "https://hold.corp.example"), language: language, at: at(t, tokyo(t), begin),
		id: "1@corp.example", thread: "request.1@corp.example", enclosed: e}
	head, tail := l.form()
	return string(head) + string(tail)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "notices", name)
	if *update {
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if string(want) != got {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

var tag = regexp.MustCompile(`<[^>]*>`)

// sameWords: the HTML says what the text says, no more and no less.
func sameWords(t *testing.T, text, page string) {
	t.Helper()
	squeeze := func(s string) string {
		return strings.Join(strings.Fields(strings.NewReplacer("・", "", "- ", "", "> ", "", "：", "", ":", "").Replace(s)), "")
	}
	if got, want := squeeze(html.UnescapeString(tag.ReplaceAllString(page, ""))), squeeze(text); got != want {
		t.Errorf("HTML says\n%s\nwant\n%s", got, want)
	}
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(m[1], "https://hold.corp.example/") {
			t.Errorf("leads to %s", m[1])
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "<b>") {
		t.Error("markup of others got in")
	}
}

func TestNoticeHeaders(t *testing.T) {
	long := strings.Repeat("とても長い件名です。", 20)
	m, _ := parseMail(t, exampleMail(t, langJA, long, "本文\n", nil))
	for name, want := range map[string]string{
		"Auto-Submitted": "auto-generated", "Message-Id": "<1@corp.example>", "To": "alice@corp.example", "Mime-Version": "1.0",
		"References": "<request.1@corp.example>", "Date": "Tue, 24 Nov 2026 10:00:00 +0900", "Content-Language": "ja",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	from, err := mail.ParseAddress(m.Header.Get("From"))
	must(t, err)
	if from.Name != "株式会社コープ" || from.Address != "sekisho@corp.example" {
		t.Errorf("from %v", from)
	}
	decoded, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	must(t, err)
	if decoded != long {
		t.Errorf("subject %q", decoded)
	}
	raw := exampleMail(t, langJA, long, "本文\n", nil)
	head, _, _ := strings.Cut(raw, "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n") {
		if len(line) > 78 {
			t.Errorf("header line of %d octets: %s", len(line), line)
		}
	}
}

// What others wrote must not become header fields, encoded words or markup.
func TestHostileSubjectsStayText(t *testing.T) {
	tests := []struct{ in, want string }{
		{"a\r\nBcc: x@evil.example", "a Bcc: x@evil.example"},
		{"=?utf-8?b?44GC?=", "=?utf-8?b?44GC?="},
		{"abc\u202egpj.exe\u200b", "abcgpj.exe"},
		{"\x00\x07\xff", "\uFFFD"},
		{strings.Repeat("あ", 100), strings.Repeat("あ", 59) + "…"},
		{"番号 1234-5678-9018 の件", "番号 **** の件"},
		{"電話 ０３（１２３４）５６７８", "電話 ****"},
		{"議事録 2026/11/21 (20261124 版)", "議事録 2026/11/21 (20261124 版)"},
		{"会員 2026/13/99 と 19800401-1", "会員 **** と ****"},
		{"2026年11月24日 13:00 見積 123456", "2026年11月24日 13:00 見積 123456"},
	}
	for _, tt := range tests {
		got := quotable(tt.in)
		if got != tt.want {
			t.Errorf("%q is quoted as %q, want %q", tt.in, got, tt.want)
		}
		m, _ := parseMail(t, exampleMail(t, langEN, got, "text\n", nil))
		decoded, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		must(t, err)
		if decoded != got || m.Header.Get("Bcc") != "" {
			t.Errorf("%q travels as %q", got, decoded)
		}
	}
}

func TestAnySubjectSurvivesTheHeader(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := oneLine(rapid.String().Draw(rt, "subject"))
		if s == "" {
			return
		}
		raw := "Subject: " + encodeWords(s) + "\r\nFrom: " + encodePhrase(s) + " <a@b.example>\r\n\r\n"
		m, err := mail.ReadMessage(strings.NewReader(raw))
		if err != nil {
			rt.Fatal(err)
		}
		decoded, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil || decoded != s || !utf8.ValidString(decoded) {
			rt.Fatalf("%q came back as %q: %v", s, decoded, err)
		}
		from, err := mail.ParseAddress(m.Header.Get("From"))
		if err != nil || from.Address != "a@b.example" || strings.Join(strings.Fields(from.Name), " ") != s {
			rt.Fatalf("name %q came back as %+v: %v", s, from, err)
		}
	})
}

func TestLongLinesAndForeignCharactersAreEncoded(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 3000) + "\n", "日本語\n", "plain\n", "tab\there\x01\n"} {
		_, parts := parseMail(t, exampleMail(t, langJA, "s", text, nil))
		if got := strings.ReplaceAll(parts[0].body, "\r\n", "\n"); strings.TrimRight(got, "\n") != strings.TrimRight(text, "\n") {
			t.Errorf("%.20q came back as %.20q", text, got)
		}
	}
}

// A returned mail is attached as it was accepted, opens as a draft, and knows
// the hidden recipients it did not reach.
func TestReturnedMailOpensAsADraft(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		s := plain("b@other.example")
		s.bcc = []mailaddr.Address{"secret@third.example"}
		m := h.submit(s)
		body, err := h.Queue.Open(t.Context(), m)
		must(t, err)
		defer body.Close()
		original, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
		must(t, err)
		_, err = h.decide(h.only(m), Reject, "manager@corp.example")
		must(t, err)
		raw := h.gets("rejected", "alice")
		_, parts := parseMail(t, raw)
		if len(parts) != 3 || parts[2].mediaType != "message/rfc822" {
			t.Fatalf("parts %v", parts)
		}
		inner, ok := strings.CutPrefix(parts[2].body, "X-Unsent: 1\r\nBcc: secret@third.example\r\n")
		if !ok || inner != string(original) {
			t.Errorf("returned %q, accepted %q", parts[2].body, original)
		}
		text := textOf(t, raw)
		for _, want := range []string{"次の宛先には届いていません", "b@other.example", "secret@third.example（Bcc）", "> 番号を消してください。\n> 二行目",
			"田中 一郎さん", "添付してお返しします"} {
			if !strings.Contains(text, want) {
				t.Errorf("the notice lacks %q:\n%s", want, text)
			}
		}
	})
}

// A mail too large for the sender's mailbox is not attached; the notice says
// where it is.
func TestALargeMailIsNotAttached(t *testing.T) {
	h := newHouse(t, db.SQLite)
	m := h.submit(plain("b@other.example"))
	m.Size = largestEnclosed + 1
	must(t, h.db.Write(t.Context(), func(tx *db.Tx) error {
		return h.tellEnded(tx, m, noteCancelled, m.Recipients, holdqueue.Person("alice@corp.example"))
	}))
	raw := h.gets("cancelled", "alice")
	if _, parts := parseMail(t, raw); len(parts) != 2 || !strings.Contains(textOf(t, raw), "大きいため、添付していません") {
		t.Errorf("parts %d: %s", len(parts), textOf(t, raw))
	}
}

func TestReadersGetTheirLanguageAndNoFindingsInSubjects(t *testing.T) {
	h := newHouse(t, db.SQLite)
	s := plain("b@other.example", "c@third.example")
	s.person, s.subject = "bob@corp.example", "My Number 1234 5678 9018"
	h.submit(s)
	subjectOf := func(raw string) string {
		m, _ := parseMail(t, raw)
		decoded, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		must(t, err)
		return decoded
	}
	held := h.gets("held", "bob")
	if got := subjectOf(held); got != "[Held] Not sent yet: My Number ****" {
		t.Errorf("subject %q", got)
	}
	if text := textOf(t, held); !strings.Contains(text, "2 numbers look like My Numbers") || !strings.Contains(text, "Fri 27 Nov 10:00") {
		t.Errorf("text %s", text)
	}
	if got := subjectOf(h.gets("question", "manager")); got != "【承認依頼】Bob Stoneさんのメール（社外2名、27日10:00まで）" {
		t.Errorf("subject %q", got)
	}
	p := hold(asking("manager"))
	p.HideSubject = true
	s.plans, s.person = []plan{p}, "alice@corp.example"
	h.submit(s)
	if raw := h.gets("held", "alice"); strings.Contains(textOf(t, raw), "My Number") || strings.Contains(subjectOf(raw), "My Number") {
		t.Error("a subject that was found something in is repeated")
	}
}

func TestTheNoticeLinkIsTheSendersOwn(t *testing.T) {
	h := newHouse(t, db.SQLite)
	m := h.submit(plain("b@other.example"))
	link := regexp.MustCompile(`https://hold\.corp\.example/c/(\S+)`).FindStringSubmatch(textOf(t, h.gets("held", "alice")))
	if link == nil {
		t.Fatal("the notice has no link")
	}
	if id, err := h.ByCancelToken(link[1]); id != m.ID || err != nil {
		t.Errorf("leads to %q: %v", id, err)
	}
	if text := textOf(t, h.gets("question", "manager")); strings.Contains(text, link[1]) {
		t.Error("the approver gets the sender's secret")
	}
}

func TestTimesAreShownInTheOrganizationsZone(t *testing.T) {
	when := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC).In(tokyo(t).Zone())
	if got := longTime(langJA, when); got != "11月25日（水）17:00" {
		t.Error(got)
	}
	if got := longTime(langEN, when); got != "Wed 25 Nov 17:00" {
		t.Error(got)
	}
}

func TestEveryTextFileIsANotice(t *testing.T) {
	for _, language := range []string{langJA, langEN} {
		entries, err := noticeFiles.ReadDir("notices/" + language)
		must(t, err)
		for _, e := range entries {
			name, isText := strings.CutSuffix(e.Name(), ".txt")
			if isText && !slices.Contains(allKinds(), kind(name)) {
				t.Errorf("%s/%s belongs to no kind", language, e.Name())
			}
		}
		if len(entries) != len(allKinds())+1 {
			t.Errorf("%s has %d files", language, len(entries))
		}
	}
}
