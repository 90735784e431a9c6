package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestRewriteOfAMailWithoutAttachmentsChangesNothingButBcc(t *testing.T) {
	raw, err := os.ReadFile("testdata/plain.eml")
	if err != nil {
		t.Fatal(err)
	}
	r := command(t, "", "rewrite", "--to", "b@other.example", "testdata/plain.eml")
	want := bytes.Replace(raw, []byte("Bcc: hidden@third.example\r\n"), nil, 1)
	if r.code != 0 || r.out != string(want) || !strings.Contains(r.err, "would be sent after 5m") {
		t.Errorf("exit %d, err %q, out:\n%s", r.code, r.err, r.out)
	}
	r = command(t, "", "rewrite", "--to", "bob@corp.example", "testdata/plain.eml")
	if r.code != 0 || r.out != string(want) || r.err != "would be sent at once\n" {
		t.Errorf("exit %d, err %q", r.code, r.err)
	}
}

func TestRewriteShowsTheLinkThatARecipientWouldGet(t *testing.T) {
	r := command(t, "", "rewrite", "testdata/quote.eml")
	if r.code != 0 || strings.Contains(r.out, "Received:") {
		t.Errorf("exit %d, err %q", r.code, r.err)
	}
	raw, err := os.ReadFile("testdata/quote.eml")
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(raw), "\r\n\r\n")
	for _, kept := range []string{header, "\r\n見積書をお送りします。\r\n", "quote.txt", "https://files.invalid/d/"} {
		if !strings.Contains(r.out, kept) {
			t.Errorf("%q is not in\n%s", kept, r.out)
		}
	}
	if strings.Contains(r.out, "120,000") {
		t.Error("the file itself is still in the mail")
	}
	again := command(t, "", "rewrite", "testdata/quote.eml")
	if again.out != r.out {
		t.Error("two runs differ")
	}
}

func TestRewriteSaysWhatWouldBecomeOfTheMail(t *testing.T) {
	dir := t.TempDir()
	refuse := write(t, dir, "refuse.yaml", "version: 1\nrules: [{name: no, when: {recipients: external}, then: {refuse: true, reason: だめです}}]\n")
	nobody := write(t, dir, "nobody.eml", "From: alice@corp.example\r\nSubject: x\r\n\r\nx\r\n")
	for _, c := range []struct {
		args []string
		code int
		err  string
		out  bool
	}{
		{[]string{"--to", "b@other.example", "testdata/mynumber.eml"}, 3, "would be held: 個人番号 2 件", true},
		{[]string{"--to", "bob@corp.example", "testdata/mynumber.eml"}, 0, "would be sent at once", true},
		{[]string{"--policy", refuse, "--to", "b@other.example", "testdata/plain.eml"}, 4, "would be refused: だめです", false},
		{[]string{"testdata/none.eml"}, 2, "no such file", false},
		{[]string{nobody}, 2, "names no recipient", false},
		{[]string{"--to", "nobody", "testdata/plain.eml"}, 2, "--to nobody", false},
		{[]string{"--policy", "testdata/none.yaml", "testdata/plain.eml"}, 2, "cannot read the policy", false},
	} {
		r := command(t, "", append([]string{"rewrite"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.err, c.err) || (r.out != "") != c.out {
			t.Errorf("%v: exit %d, err %q, %d bytes out", c.args, r.code, r.err, len(r.out))
		}
	}
}

func TestRewriteStoresNothing(t *testing.T) {
	dir := t.TempDir()
	config := write(t, dir, "sekisho.yaml", "data_dir: data\n"+smallestConfig)
	command(t, "", "rewrite", "--config", config, "--to", "b@other.example", "testdata/quote.eml")
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestEveryBccFieldIsTakenOut(t *testing.T) {
	mail := "Bcc: a@x.example,\r\n b@x.example\r\nFrom: c@x.example\r\nresent-bcc: d@x.example\r\nBCC:\r\nTo: e@x.example\r\n\r\nBcc: in the body\r\n"
	want := "From: c@x.example\r\nTo: e@x.example\r\n\r\nBcc: in the body\r\n"
	if got := string(withoutBcc([]byte(mail))); got != want {
		t.Errorf("got %q", got)
	}
}
