package linkify

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/message"
)

// clippedMail renders a mail whose files left, with the note.
func clippedMail(t *testing.T, raw []byte) []byte {
	t.Helper()
	m, err := message.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Plan(m, everything)
	if err != nil {
		t.Fatal(err)
	}
	n := testNotice
	n.Paperclip = true
	var out bytes.Buffer
	if err := Render(&out, m, s, n); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestThePaperclipIsOneMoreFileBehindEverythingElse(t *testing.T) {
	o := startOracle(t)
	for name, mail := range structures() {
		t.Run(name, func(t *testing.T) {
			_, _, plain := render(t, []byte(mail))
			clip := clippedMail(t, []byte(mail))
			if name == "no last boundary" {
				if !bytes.Equal(clip, plain) {
					t.Error("a note where the mail has no end")
				}
				return
			}
			read := o.read(t, plain, clip)
			without, with := read[0].Leaves, read[1].Leaves
			if len(with) != len(without)+1 || !reflect.DeepEqual(with[:len(without)], without) {
				t.Fatalf("%d leaves beside %d without the note", len(with), len(without))
			}
			if len(read[1].Defects) > len(read[0].Defects) {
				t.Errorf("defects: %v", read[1].Defects)
			}
			if note := text(with[len(without)]); !strings.Contains(note, "https://files.corp.example/d/TOKEN") || strings.Contains(strings.ReplaceAll(note, "\r\n", ""), "\n") {
				t.Errorf("the note says %q", note)
			}
			m, err := message.Parse(clip)
			if err != nil || m.Ambiguous() {
				t.Fatalf("ambiguous: %v %v", err, m.Anomalies)
			}
			files := m.Attachments()
			last := files[len(files)-1]
			if last.Name != clipName || last.Inline || m.Root.MediaType != "multipart/mixed" {
				t.Errorf("the note is %q in %s", last.Name, m.Root.MediaType)
			}
		})
	}
}
