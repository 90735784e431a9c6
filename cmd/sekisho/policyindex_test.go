package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const indexedPolicy = `version: 1
data: {customers: customers.idx}
documents: {board: board.idx}
urls: [.phish.example, "file:hosts.txt"]
keywords: {marks: [{word: 極秘, weight: 5}, 社外秘]}
rules:
  - name: customers
    when: {recipients: external, content: [{detector: data.customers, level: high}]}
    then: {hold: {approvers: [manager]}}
  - name: board
    when: {recipients: external, content: [{detector: document.board, level: medium}]}
    then: {hold: {approvers: [manager]}}
  - name: links
    when: {recipients: external, content: [{detector: url.listed}]}
    then: {hold: {approvers: [manager]}}
  - name: marks
    when: {recipients: external, content: [{detector: keyword.marks, count: 6}]}
    then: {hold: {approvers: [manager]}}
`

// boardPaper is long enough to be found again in part.
func boardPaper() string {
	var b strings.Builder
	for _, s := range strings.Fields("調達 製造 物流 営業 人事 法務 研究 品質 広報 財務") {
		b.WriteString(s + "部門は来年度から拠点を三つに統合し、" + s + "に関わる費用を二割下げる。取締役会は" + s + "担当の提案を全員一致で承認した。\n")
	}
	return b.String()
}

func TestPolicyIndexRegistersWhatScanThenFinds(t *testing.T) {
	dir := t.TempDir()
	config := write(t, dir, "sekisho.yaml", "data_dir: data\norganization: {domains: [corp.example]}\npolicy: {file: policy.yaml}\n"+
		"submission: {hostname: mail.corp.example, listen: [], listen_tls: []}\nrelay: {host: \"127.0.0.1:25\", tls: none}\n"+
		"oidc: {issuer: \"http://127.0.0.1:1\", client_id: x, client_secret_file: oidc.secret}\n")
	write(t, dir, "oidc.secret", "x")
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "policy.yaml", indexedPolicy)
	write(t, dir, "hosts.txt", "# bad ones\n0.0.0.0 bad.test\nworse.test\n")
	list := write(t, dir, "customers.csv", "氏名,電話\n榊原 隼人,090-8123-4567\n")
	paper := write(t, dir, "経営会議.txt", boardPaper())
	note := write(t, dir, "short.txt", "短い")

	if r := command(t, "", "policy", "index", "data", "-c", config, list, filepath.Join(dir, "customers.idx")); r.code != 0 || !strings.Contains(r.out, `1 row, columns ["氏名" "電話"], 0 cells`) {
		t.Fatalf("data: exit %d, %s%s", r.code, r.out, r.err)
	}
	r := command(t, "", "policy", "index", "documents", "-c", config, filepath.Join(dir, "board.idx"), paper, note)
	if r.code == 0 || !strings.Contains(r.out, "経営会議.txt: ") || !strings.Contains(r.err, "left out: "+note) {
		t.Fatalf("documents: exit %d, %s%s", r.code, r.out, r.err)
	}
	for _, c := range []struct{ text, rule string }{
		{"榊原隼人様 電話 09081234567", "customers"},
		{"電話 09081234567", ""},
		{strings.Join(strings.Split(boardPaper(), "\n")[2:7], "\n"), "board"},
		{"詳細は hxxps://www[.]phish[.]example/x をご覧ください", "links"},
		{"https://redirect.test/?u=https%3A%2F%2Fworse.test%2F", "links"},
		{"極秘 社外秘", "marks"},
		{"極秘 極秘", ""},
	} {
		mail := write(t, dir, "mail.eml", "From: a@corp.example\r\nTo: b@other.test\r\nSubject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+
			strings.ReplaceAll(c.text, "\n", "\r\n")+"\r\n")
		r := command(t, "", "scan", "--json", "-c", config, "--from", "a@corp.example", "--to", "b@other.test", mail)
		held := strings.Contains(r.out, `"action":"hold"`)
		if held != (c.rule != "") || c.rule != "" && !strings.Contains(r.out, `"`+c.rule+`"`) {
			t.Errorf("%q, want rule %q: %s%s", c.text, c.rule, r.out, r.err)
		}
	}
	if r := command(t, "", "scan", "--policy", filepath.Join(dir, "policy.yaml"), paper); r.code == 0 || !strings.Contains(r.err, "give --config") {
		t.Errorf("without the key: exit %d, %s", r.code, r.err)
	}
}
