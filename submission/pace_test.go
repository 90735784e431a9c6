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
	p := newPace(DefaultLimits())
	now := time.Date(2025, 11, 21, 9, 0, 30, 0, time.UTC)
	day := 0
	for day+600 <= 10_000 {
		if _, err := p.take("a", 600, now); err != nil {
			t.Fatalf("after %d: %v", day, err)
		}
		if err := p.may("a", 1, now); code(err) != 450 || !strings.Contains(err.Error(), "in 10 minutes") {
			t.Fatalf("601st in ten minutes: %v", err)
		}
		if err := p.may("a", 1, now.Add(5*time.Minute)); code(err) != 450 || !strings.Contains(err.Error(), "in 5 minutes") {
			t.Fatalf("five minutes later: %v", err)
		}
		day += 600
		now = now.Add(10 * time.Minute)
	}
	if err := p.may("a", 10_000-day+1, now); code(err) != 550 {
		t.Errorf("10,001st in a day: %v", err)
	}
	if err := p.may("b", 600, now); err != nil {
		t.Errorf("another sender: %v", err)
	}
	if err := p.may("a", 600, now.Add(24*time.Hour)); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

func TestPaceGivesBackWhatWasNotStored(t *testing.T) {
	p := newPace(DefaultLimits())
	now := time.Now()
	giveBack, err := p.take("a", 600, now)
	if err != nil {
		t.Fatal(err)
	}
	giveBack()
	if err := p.may("a", 600, now); err != nil {
		t.Error(err)
	}
}

func TestClockThatGoesBackForgetsNothing(t *testing.T) {
	p := newPace(DefaultLimits())
	now := time.Now()
	if _, err := p.take("a", 600, now); err != nil {
		t.Fatal(err)
	}
	if err := p.may("a", 1, now.Add(-time.Hour)); code(err) != 450 {
		t.Error(err)
	}
}
