package submission

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sekisho-mail/sekisho/internal/metric"
)

func TestFiguresCountWithoutNamingAnybody(t *testing.T) {
	m := metric.New("test")
	r := serve(t, func(o *Options) { o.Metrics = m })
	c := r.signed("alice@corp.example")
	c.mail(someMail)
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.do(mailFrom("From: bob@corp.example")+".", "550")
	r.over("alice@corp.example", "wrong")
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	got := rec.Body.String()
	for _, want := range []string{
		`sekisho_submission_messages_total{code="250",port="submission_tls"} 1`, `sekisho_submission_messages_total{code="550",port="submission_tls"} 1`,
		`sekisho_submission_sign_ins_total{result="good"} 1`, `sekisho_submission_sign_ins_total{result="wrong"} 1`,
		`sekisho_submission_connections{port="submission_tls"}`, `sekisho_submission_message_bytes_count 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing:\n%s", want, got)
		}
	}
	if strings.Contains(got, "example") {
		t.Error("a name is in the figures")
	}
}

// What people write and who they are never reaches the log; numbers and references do.
func TestLogHoldsNoContentAndNoNames(t *testing.T) {
	r := serve(t)
	r.over("alice@corp.example", "wrong password")
	r.over("nobody@corp.example", "secret typed into the wrong field")
	c := r.signed("alice@corp.example")
	c.mail(someMail)
	c.do("WIZ secret", "500")
	r.shelf.fail(nil, nil, errTest)
	c.begin("b@other.example")
	c.do("DATA", "354")
	c.do(someMail+".", "451")
	for _, word := range []string{"alice", "other.example", "hello", "secret", "wrong password", "nobody", password} {
		if strings.Contains(r.log.String(), word) {
			t.Errorf("%q is in the log:\n%s", word, r.log)
		}
	}
	if !strings.Contains(r.log.String(), "mail accepted") || !strings.Contains(r.log.String(), "sign-in refused") {
		t.Errorf("the log says too little:\n%s", r.log)
	}
}
