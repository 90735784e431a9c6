package submission

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

func code(err error) int {
	var r *smtp.SMTPError
	if errors.As(err, &r) {
		return r.Code
	}
	return 0
}

func TestPaceOverTimeAndDay(t *testing.T) {
	p := newPace(DefaultLimits(), nil)
	now := time.Date(2025, 11, 21, 9, 0, 30, 0, time.UTC)
	day := 0
	for day+600 <= 10_000 {
		if _, err := p.take(t.Context(), "a", 600, now); err != nil {
			t.Fatalf("after %d: %v", day, err)
		}
		if err := p.may(t.Context(), "a", 1, now); code(err) != 450 || !strings.Contains(err.Error(), "in 10 minutes") {
			t.Fatalf("601st in ten minutes: %v", err)
		}
		if err := p.may(t.Context(), "a", 1, now.Add(5*time.Minute)); code(err) != 450 || !strings.Contains(err.Error(), "in 5 minutes") {
			t.Fatalf("five minutes later: %v", err)
		}
		day += 600
		now = now.Add(10 * time.Minute)
	}
	if err := p.may(t.Context(), "a", 10_000-day+1, now); code(err) != 550 {
		t.Errorf("10,001st in a day: %v", err)
	}
	if err := p.may(t.Context(), "b", 600, now); err != nil {
		t.Errorf("another sender: %v", err)
	}
	if err := p.may(t.Context(), "a", 600, now.Add(24*time.Hour)); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

func TestPaceGivesBackWhatWasNotStored(t *testing.T) {
	p := newPace(DefaultLimits(), nil)
	now := time.Now()
	giveBack, err := p.take(t.Context(), "a", 600, now)
	if err != nil {
		t.Fatal(err)
	}
	giveBack()
	if err := p.may(t.Context(), "a", 600, now); err != nil {
		t.Error(err)
	}
}

func TestClockThatGoesBackForgetsNothing(t *testing.T) {
	p := newPace(DefaultLimits(), nil)
	now := time.Now()
	if _, err := p.take(t.Context(), "a", 600, now); err != nil {
		t.Fatal(err)
	}
	if err := p.may(t.Context(), "a", 1, now.Add(-time.Hour)); code(err) != 450 {
		t.Error(err)
	}
}

func TestMailThatComesAloneMayHaveAsManyRecipientsAsAMailMayHave(t *testing.T) {
	p := newPace(Limits{RecipientsPer10Minutes: 600, RecipientsPerDay: 10_000}, nil)
	at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for n := 1; n <= 1000; n++ { // as RCPT asks
		if err := p.may(t.Context(), "alice", n, at); err != nil {
			t.Fatalf("recipient %d: %v", n, err)
		}
	}
	if _, err := p.take(t.Context(), "alice", 1000, at); err != nil {
		t.Fatal(err)
	}
	if _, err := p.take(t.Context(), "alice", 1, at.Add(time.Minute)); err == nil {
		t.Error("the next mail was not slowed")
	}
	if _, err := p.take(t.Context(), "alice", 1000, at.Add(11*time.Minute)); err != nil {
		t.Errorf("waiting did not help: %v", err)
	}
}
