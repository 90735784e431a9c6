package detect

import (
	"math"
	"regexp"
	"strings"
)

// secret is a credential that its own prefix names. Anchors are found by the
// dictionary; expr is then tried at that place only, so that a hundred rules
// cost as much as one.
type secret struct {
	id      string
	anchors []string
	expr    *regexp.Regexp // anchored; group 1 is the secret
	entropy float64        // bits per character that random text has and words have not
	back    int            // bytes before the anchor where expr may begin
}

// maxSecret bounds one credential; a private key of 16,384 bits has 12.7 kB.
const maxSecret = 16 << 10

// secretRow is a rule before it is compiled. back is how many bytes before its
// anchor the credential may begin.
type secretRow struct {
	id, expr string
	entropy  float64
	back     int
	anchors  string // separated by spaces
}

// secretTable lists the credentials of the services people use most.
var secretTable = []secretRow{
	{"aws-access-token", `(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z2-7]{16}`, 3, 0, "akia asia abia acca a3t"},
	{"github-pat", `ghp_[0-9A-Za-z]{36}`, 3, 0, "ghp_"},
	{"github-oauth", `gho_[0-9A-Za-z]{36}`, 3, 0, "gho_"},
	{"github-app-token", `gh[us]_[0-9A-Za-z]{36}`, 3, 0, "ghu_ ghs_"},
	{"github-refresh-token", `ghr_[0-9A-Za-z]{36}`, 3, 0, "ghr_"},
	{"github-fine-grained-pat", `github_pat_\w{82}`, 3, 0, "github_pat_"},
	{"gitlab-pat", `glpat-[\w\-]{20}`, 3, 0, "glpat-"},
	{"gitlab-ptt", `glptt-[0-9a-f]{40}`, 3, 0, "glptt-"},
	{"gitlab-runner-authentication-token", `glrt-[0-9A-Za-z_\-]{20}`, 3, 0, "glrt-"},
	{"gitlab-deploy-token", `gldt-[0-9A-Za-z_\-]{20}`, 3, 0, "gldt-"},
	{"slack-bot-token", `xoxb-[0-9]{10,13}-[0-9]{10,13}[0-9A-Za-z-]*`, 3, 0, "xoxb-"},
	{"slack-user-token", `xox[pe](?:-[0-9]{10,13}){3}-[0-9A-Za-z-]{28,34}`, 2, 0, "xoxp- xoxe-"},
	{"slack-app-token", `(?i:xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+)`, 2, 0, "xapp-"},
	{"slack-config-access-token", `(?i:xoxe\.xox[bp]-\d-[A-Z0-9]{163,166})`, 2, 0, "xoxe.xox"},
	{"slack-webhook-url", `(?:https?://)?hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{43,56}`, 0, 80, "hooks.slack.com/"},
	{"gcp-api-key", `AIza[\w\-]{35}`, 4, 0, "aiza"},
	{"stripe-access-token", `(?:sk|rk)_(?:test|live|prod)_[0-9A-Za-z]{10,99}`, 2, 0, "sk_test_ sk_live_ sk_prod_ rk_test_ rk_live_ rk_prod_"},
	{"openai-api-key", `sk-(?:proj|svcacct|admin)-[A-Za-z0-9_\-]{20,200}|sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}`, 3, 0, "sk-proj- sk-svcacct- sk-admin- sk-"},
	{"anthropic-api-key", `sk-ant-api03-[\w\-]{93}AA`, 3, 0, "sk-ant-api03-"},
	{"anthropic-admin-api-key", `sk-ant-admin01-[\w\-]{93}AA`, 3, 0, "sk-ant-admin01-"},
	{"huggingface-access-token", `hf_[A-Za-z]{34}`, 2, 0, "hf_"},
	{"sendgrid-api-token", `SG\.[\w\-=.]{66}`, 2, 0, "sg."},
	{"sendinblue-api-token", `xkeysib-[0-9a-f]{64}-[0-9A-Za-z]{16}`, 2, 0, "xkeysib-"},
	{"mailgun-private-api-token", `key-[0-9a-f]{32}`, 3, 0, "key-"},
	{"mailchimp-api-key", `[0-9a-f]{32}-us\d\d`, 3, 32, "-us1 -us2"},
	{"twilio-api-key", `SK[0-9a-fA-F]{32}`, 3, 0, "sk"},
	{"npm-access-token", `npm_[0-9A-Za-z]{36}`, 2, 0, "npm_"},
	{"pypi-upload-token", `pypi-AgEIcHlwaS5vcmc[\w\-]{50,1000}`, 3, 0, "pypi-ageichlwas5vcmc"},
	{"rubygems-api-token", `rubygems_[0-9a-f]{48}`, 2, 0, "rubygems_"},
	{"dockerhub-pat", `dckr_pat_[\w\-]{27}`, 3, 0, "dckr_pat_"},
	{"digitalocean-pat", `dop_v1_[0-9a-f]{64}`, 3, 0, "dop_v1_"},
	{"digitalocean-access-token", `doo_v1_[0-9a-f]{64}`, 3, 0, "doo_v1_"},
	{"shopify-access-token", `shpat_[0-9a-fA-F]{32}`, 2, 0, "shpat_"},
	{"shopify-shared-secret", `shpss_[0-9a-fA-F]{32}`, 2, 0, "shpss_"},
	{"square-access-token", `sq0atp-[\w\-]{22,60}`, 2, 0, "sq0atp-"},
	{"atlassian-api-token", `ATATT3[A-Za-z0-9_\-=]{186}`, 3.5, 0, "atatt3"},
	{"databricks-api-token", `dapi[0-9a-f]{32}(?:-\d)?`, 3, 0, "dapi"},
	{"grafana-service-account-token", `glsa_[0-9A-Za-z]{32}_[0-9A-Fa-f]{8}`, 3, 0, "glsa_"},
	{"grafana-cloud-api-token", `glc_[0-9A-Za-z+/]{32,400}={0,3}`, 3, 0, "glc_"},
	{"hashicorp-tf-api-token", `[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z\-_=]{60,70}`, 3.5, 14, ".atlasv1."},
	{"vault-service-token", `hvs\.[\w\-]{90,120}`, 3.5, 0, "hvs."},
	{"age-secret-key", `AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}`, 0, 0, "age-secret-key-1"},
	{"linear-api-key", `lin_api_[0-9A-Za-z]{40}`, 2, 0, "lin_api_"},
	{"notion-api-token", `ntn_[0-9]{11}[A-Za-z0-9]{35}`, 4, 0, "ntn_"},
	{"postman-api-token", `PMAK-[0-9a-f]{24}-[0-9a-f]{34}`, 3, 0, "pmak-"},
	{"new-relic-user-api-key", `NRAK-[0-9A-Z]{27}`, 3, 0, "nrak-"},
	{"dynatrace-api-token", `dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}`, 3, 0, "dt0c01."},
	{"doppler-api-token", `dp\.pt\.[0-9A-Za-z]{43}`, 2, 0, "dp.pt."},
	{"flyio-access-token", `fo1_[\w\-]{43}`, 3, 0, "fo1_"},
	{"planetscale-api-token", `pscale_tkn_[\w\-=.]{32,64}`, 3, 0, "pscale_tkn_"},
	{"telegram-bot-api-token", `[0-9]{5,16}:AA[A-Za-z0-9_\-]{32,34}`, 3, 16, ":aa"},
	{"microsoft-teams-webhook", `https://[a-z0-9]+\.webhook\.office\.com/webhookb2/[0-9a-f\-]{36}@[0-9a-f\-]{36}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f\-]{36}`, 0, 80, "webhook.office.com/"},
	{"azure-ad-client-secret", `[0-9A-Za-z_~.]{3}\dQ~[0-9A-Za-z_~.\-]{31,34}`, 3, 4, "q~"},
	{"jwt", `eyJ[A-Za-z0-9_\-]{14,}\.eyJ[A-Za-z0-9_/\-]{14,}\.[A-Za-z0-9_/\-]{10,}={0,2}`, 3, 0, "eyj"},
}

// secretRules compiles the table. The names are the rule ids of gitleaks, so that
// lists and policies can be shared.
func secretRules() []secret {
	var rules []secret
	for _, r := range secretTable {
		rules = append(rules, secret{id: r.id, anchors: strings.Fields(r.anchors), entropy: r.entropy, back: r.back,
			expr: regexp.MustCompile(`\A(` + r.expr + `)(?:[^0-9A-Za-z_\-]|\z)`)})
	}
	return append(rules, secret{id: "private-key", anchors: []string{"-----begin"},
		expr: regexp.MustCompile(`\A(-----BEGIN[ A-Z0-9_-]{0,100}PRIVATE KEY(?: BLOCK)?-----[\s\S]{64,}?KEY(?: BLOCK)?-----)`)})
}

// findSecrets tries a rule wherever its anchor stands.
func (p *page) findSecrets(rules []secret) {
	tried := -1
	for _, h := range p.hits {
		if h.secret == 0 {
			continue
		}
		r := &rules[h.secret-1]
		if r.id == "private-key" && h.start < tried {
			continue // an unclosed key is searched once, not once per line
		}
		start, end := r.find(p.s, h.start)
		if r.id == "private-key" && end == 0 {
			tried = h.start + maxSecret/2
		}
		if end > 0 && !placeholder(p.s[start:end]) {
			p.add("secret."+r.id, High, p.s[start:end], start, end, maskSecret)
		}
	}
}

// find matches the rule whose anchor stands at at.
func (r *secret) find(s string, at int) (start, end int) {
	for from := at; from >= max(0, at-r.back); from-- {
		if from > 0 && alnum(s[from-1]) && r.id != "private-key" {
			if from == at && r.back == 0 {
				return 0, 0
			}
			continue
		}
		m := r.expr.FindStringSubmatchIndex(s[from:min(len(s), from+maxSecret)])
		if m == nil {
			continue
		}
		value := s[from+m[2] : from+m[3]]
		if entropy(value) >= r.entropy {
			return from + m[2], from + m[3]
		}
	}
	return 0, 0
}

// entropy in bits per character, after Shannon.
func entropy(s string) float64 {
	var count [256]int
	for i := range len(s) {
		count[s[i]]++
	}
	sum := 0.0
	for _, n := range count {
		if n > 0 {
			f := float64(n) / float64(len(s))
			sum -= f * math.Log2(f)
		}
	}
	return sum
}

// placeholder: keys that documentation shows.
func placeholder(s string) bool {
	low := strings.ToLower(s)
	for _, w := range []string{"example", "xxxxxx", "abcdefgh", "12345678901234567890", "your_", "your-"} {
		if strings.Contains(low, w) {
			return true
		}
	}
	return false
}
