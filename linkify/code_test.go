package linkify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// withCode is an active link that asks for a code.
func (d *desk) withCode(a mailaddr.Address) (token, file string, m Mail) {
	d.t.Helper()
	m = d.mail(letterTo(pdf(1000)))
	token = d.sent(m, to(a, AccessCode))
	return token, d.only(m).Files[0].ID, m
}

func TestTheRightCodeOpensAllFilesToThisBrowser(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		token, file, m := d.withCode(bob)
		v, other := browser(), browser()
		if l := d.landing(token, v); l.Passed || l.Files != nil || l.Masked != "B•••@other.example" || !l.Colleagues {
			t.Fatalf("before the code: %+v", l)
		}
		if _, err := d.Ticket(ctx, token, v, file); !errors.Is(err, ErrNeedCode) {
			t.Fatalf("ticket before the code: %v", err)
		}
		sent, err := d.RequestCode(ctx, token, v, "")
		if err != nil || sent.Masked != "B•••@other.example" {
			t.Fatalf("%+v, %v", sent, err)
		}
		at, code := d.code()
		if at != bob {
			t.Fatalf("the code went to %s", at)
		}
		if err := d.EnterCode(ctx, token, other, code); !errors.Is(err, ErrCodeSpent) {
			t.Fatalf("in another browser: %v", err)
		}
		if err := d.EnterCode(ctx, token, v, code); err != nil {
			t.Fatal(err)
		}
		l := d.landing(token, v)
		if !l.Passed || len(l.Files) != 3 {
			t.Fatalf("after the code: %+v", l)
		}
		for _, f := range l.Files {
			d.fetch(token, v, f, 0, f.Size)
		}
		if d.landing(token, other).Passed {
			t.Fatal("another browser passed as well")
		}
		if err := d.EnterCode(ctx, token, v, code); !errors.Is(err, ErrCodeSpent) {
			t.Fatalf("the same code again: %v", err)
		}
		if d.only(m).Taken != 3 || d.audited("link.code") != 1 || d.audited("link.pass") != 1 {
			t.Fatalf("%+v", d.only(m))
		}
		d.clock.pass(codeSessionLife)
		if d.landing(token, v).Passed {
			t.Fatal("the browser may stay for ever")
		}
	})
}

func TestFiveWrongTriesSpendACode(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		token, _, _ := d.withCode(bob)
		v := browser()
		if _, err := d.RequestCode(ctx, token, v, ""); err != nil {
			t.Fatal(err)
		}
		_, code := d.code()
		for i := range codeTries {
			err := d.EnterCode(ctx, token, v, fmt.Sprintf("%08d", i))
			var wrong *WrongCodeError
			if left := codeTries - 1 - i; left > 0 {
				if !errors.As(err, &wrong) || wrong.Left != left || !errors.Is(err, ErrWrongCode) {
					t.Fatalf("try %d: %v", i, err)
				}
			} else if !errors.Is(err, ErrCodeSpent) {
				t.Fatalf("last try: %v", err)
			}
		}
		if err := d.EnterCode(ctx, token, v, code); !errors.Is(err, ErrCodeSpent) {
			t.Fatalf("the right code after five wrong ones: %v", err)
		}
	})
}

// Guesses at the same moment are counted one by one.
func TestTriesAtOnceAreAllCounted(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		token, _, _ := d.withCode(bob)
		v := browser()
		if _, err := d.RequestCode(ctx, token, v, ""); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		counted := 0
		for i := range 20 {
			wg.Go(func() {
				err := d.EnterCode(ctx, token, v, fmt.Sprintf("%08d", i))
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, ErrWrongCode) {
					counted++
				} else if !errors.Is(err, ErrCodeSpent) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if counted != codeTries-1 { // the fifth is answered as spent
			t.Fatalf("%d tries were let through, want %d", counted, codeTries-1)
		}
	})
}

func TestACodeIsOverAfterTenMinutesAndByTheNextOne(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		token, _, _ := d.withCode(bob)
		v := browser()
		ask := func() string {
			if _, err := d.RequestCode(ctx, token, v, ""); err != nil {
				t.Fatal(err)
			}
			_, code := d.code()
			return code
		}
		old := ask()
		d.clock.pass(codeLife)
		if err := d.EnterCode(ctx, token, v, old); !errors.Is(err, ErrCodeSpent) {
			t.Fatalf("after ten minutes: %v", err)
		}
		first, second := ask(), ask()
		if err := d.EnterCode(ctx, token, v, first); first != second && !errors.Is(err, ErrWrongCode) {
			t.Fatalf("the code before the last: %v", err)
		}
		if err := d.EnterCode(ctx, token, v, second); err != nil {
			t.Fatalf("the last code: %v", err)
		}
	})
}

func TestColleaguesGetCodesAtTheirOwnAddress(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		token, _, m := d.withCode(bob)
		for address, want := range map[string]error{
			"mallory@evil.example": ErrStranger, "x@sub.other.example": ErrStranger, "not an address": ErrStranger,
			"a@other.example\r\nBcc: x@evil.example": ErrStranger, "a@other.example,b@evil.example": ErrStranger,
		} {
			if _, err := d.RequestCode(ctx, token, browser(), address); !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", address, err, want)
			}
		}
		if len(d.letters) != 0 {
			t.Fatalf("codes went to strangers: %v", d.letters)
		}
		v := browser()
		if _, err := d.RequestCode(ctx, token, v, "Carol@OTHER.example"); err != nil {
			t.Fatal(err)
		}
		at, code := d.code()
		if at != "Carol@other.example" {
			t.Fatalf("the code went to %s", at)
		}
		if err := d.EnterCode(ctx, token, v, code); err != nil {
			t.Fatal(err)
		}
		f := d.landing(token, v).Files[0]
		d.fetch(token, v, f, 0, f.Size)
		lines, err := d.Log(ctx, m.ID, "", Page{})
		if err != nil || len(lines) != 1 || lines[0].Of != bob || lines[0].As != "Carol@other.example" || !lines[0].Complete {
			t.Fatalf("log: %+v, %v", lines, err)
		}

		if many, _, _ := d.withCode("sales-ml@other.example"); !d.landing(many, browser()).Shared || d.landing(token, browser()).Shared {
			t.Error("only the address of many is said to be one")
		}
		free, _, _ := d.withCode("bob@gmail.com")
		if d.landing(free, browser()).Colleagues {
			t.Error("free mail has no colleagues")
		}
		if _, err := d.RequestCode(ctx, free, browser(), "carol@gmail.com"); !errors.Is(err, ErrStranger) {
			t.Errorf("neighbour at a free mail provider: %v", err)
		}
		if _, err := d.RequestCode(ctx, free, browser(), "BOB@gmail.com"); err != nil {
			t.Errorf("the recipient by name: %v", err)
		}
	})
}

func TestCodeMailsAreFew(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		ask := func(token string, i int) error {
			v := browser()
			v.Address = fmt.Sprintf("203.0.113.%d", i%250)
			_, err := d.RequestCode(ctx, token, v, "")
			return err
		}
		token, _, _ := d.withCode(bob)
		day := 0
		for i := range 200 {
			if i%10 == 0 {
				d.clock.pass(16 * time.Minute)
			}
			var wait *WaitError
			if err := ask(token, i); err == nil {
				day++
			} else if !errors.As(err, &wait) || !errors.Is(err, ErrTooMany) || !wait.Until.After(d.clock.now()) {
				t.Fatal(err)
			}
		}
		if day > 25 { // the window of a day may end once within these five hours
			t.Fatalf("%d codes for one link", day)
		}
		if len(d.letters) != day {
			t.Fatalf("%d letters for %d codes", len(d.letters), day)
		}
		// Many links of one address do not make more mails to it.
		d.clock.pass(48 * time.Hour)
		got := 0
		for i := range 8 {
			other, _, _ := d.withCode(bob)
			if ask(other, i) == nil {
				got++
			}
		}
		if got != 5 {
			t.Fatalf("%d codes in a quarter of an hour for one address, want 5", got)
		}
	})
}

func TestANetworkAsksForFewCodes(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		refused := 0
		for i := range 35 {
			token, _, _ := d.withCode(mailaddr.Address(fmt.Sprintf("p%d@c%d.example", i, i)))
			if _, err := d.RequestCode(context.Background(), token, browser(), ""); errors.Is(err, ErrTooMany) {
				refused++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if refused != 5 {
			t.Fatalf("%d of 35 refused, want 5", refused)
		}
	})
}

func TestCodesNeedALinkThatAsksForThem(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := context.Background()
		open := d.sent(d.mail(letterTo(pdf(10))), to(bob, AccessOpen))
		if _, err := d.RequestCode(ctx, open, browser(), ""); !errors.Is(err, ErrNoCode) {
			t.Errorf("open link: %v", err)
		}
		token, _, m := d.withCode(bob)
		if _, err := d.RequestCode(ctx, token, Visitor{}, ""); !errors.Is(err, ErrTicket) {
			t.Errorf("without a browser: %v", err)
		}
		if err := d.EnterCode(ctx, token, Visitor{}, "12345678"); !errors.Is(err, ErrCodeSpent) {
			t.Errorf("code without a browser: %v", err)
		}
		v := browser()
		if _, err := d.RequestCode(ctx, token, v, ""); err != nil {
			t.Fatal(err)
		}
		_, code := d.code()
		if _, err := d.Revoke(ctx, m.ID, nil, ByPerson, System); err != nil {
			t.Fatal(err)
		}
		if err := d.EnterCode(ctx, token, v, code); !errors.Is(err, ErrRevoked) {
			t.Errorf("code of a revoked link: %v", err)
		}
	})
}

func TestTheCodeLetter(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := d.mail(letterTo(pdf(10)))
		m.FromName = "佐藤\r\nBcc: x@evil.example\u202e"
		token := d.sent(m, to(bob, AccessCode))
		if _, err := d.RequestCode(context.Background(), token, browser(), ""); err != nil {
			t.Fatal(err)
		}
		_, code := d.code()
		letter := d.letters[0]
		if strings.Contains(letter.Subject, code) || strings.Count(letter.Text, code) != 2 || !strings.Contains(letter.Text, "10分以内") {
			t.Fatalf("%+v", letter)
		}
		if strings.Contains(letter.Text, token) || strings.Contains(letter.Text, "\nBcc") || strings.Contains(letter.Text, m.Subject) {
			t.Fatalf("the letter tells too much:\n%s", letter.Text)
		}
		if letter.Message != m.ID || letter.Kind != "code" {
			t.Fatalf("%+v", letter)
		}
	})
}
