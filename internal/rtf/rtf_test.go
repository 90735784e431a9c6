package rtf

import (
	"errors"
	"slices"
	"testing"
)

func TestShownIsWhatAReaderSees(t *testing.T) {
	for source, want := range map[string]string{
		`{\rtf1\ansi hello\par world}`:                                      "hello\nworld",
		`{\rtf1\ansicpg932 \'8d\'b2\'93\'a1}`:                               "佐藤",
		`{\rtf1\uc1\u20304?\u34276?}`:                                       "佐藤",
		`{\rtf1 a{\v hidden}b{\*\unknown x}c{\deleted d}}`:                  "abc",
		`{\rtf1\fromhtml1 {\*\htmltag64 <p>}\htmlrtf \par\htmlrtf0 text}`:   "text",
		`{\rtf1{\fonttbl{\f0\fcharset128 Gothic;}}\f0 \'93\'fa\'96\'7b\~x}`: "日本 x",
	} {
		if got := Shown([]byte(source)); got != want {
			t.Errorf("%s is shown as %q, want %q", source, got, want)
		}
	}
}

func TestReadGivesAlsoWhatIsHiddenAndSaysSo(t *testing.T) {
	d, err := Read([]byte(`{\rtf1 a{\v hidden}{\*\objdata 255044462d31}b}`), nil)
	if err != nil || d.Text != "ahiddenb" || !slices.Equal(d.Hidden, []string{HiddenText}) || len(d.Objects) != 1 || string(d.Objects[0]) != "%PDF-1" {
		t.Errorf("%+v, %v", d, err)
	}
	stop := errors.New("enough")
	if _, err := Read([]byte("{"), func() error { return stop }); !errors.Is(err, stop) {
		t.Errorf("not stopped: %v", err)
	}
}

func FuzzShown(f *testing.F) {
	f.Add([]byte(`{\rtf1\ansicpg932{\fonttbl{\f0\fcharset128}}\'8c\u20491?\v x{\*\objdata 00}}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		Shown(b)
		_, _ = Read(b, nil)
	})
}
