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

// secretRules are the credentials of the services people use most. Their names
// are the rule ids of gitleaks, so that lists and policies can be shared.
func secretRules() []secret {
	rule := func(id, expr string, entropy float64, anchors ...string) secret {
		return secret{id: id, anchors: anchors, expr: regexp.MustCompile(`\A(` + expr + `)(?:[^0-9A-Za-z_\-]|\z)`), entropy: entropy}
	}
	rules := []secret{
		rule("aws-access-token", `(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z2-7]{16}`, 3, "akia", "asia", "abia", "acca", "a3t"),
		rule("github-pat", `ghp_[0-9A-Za-z]{36}`, 3, "ghp_"),
		rule("github-oauth", `gho_[0-9A-Za-z]{36}`, 3, "gho_"),
		rule("github-app-token", `gh[us]_[0-9A-Za-z]{36}`, 3, "ghu_", "ghs_"),
		rule("github-refresh-token", `ghr_[0-9A-Za-z]{36}`, 3, "ghr_"),
		rule("github-fine-grained-pat", `github_pat_\w{82}`, 3, "github_pat_"),
		rule("gitlab-pat", `glpat-[\w\-]{20}`, 3, "glpat-"),
		rule("gitlab-ptt", `glptt-[0-9a-f]{40}`, 3, "glptt-"),
		rule("gitlab-runner-authentication-token", `glrt-[0-9A-Za-z_\-]{20}`, 3, "glrt-"),
		rule("gitlab-deploy-token", `gldt-[0-9A-Za-z_\-]{20}`, 3, "gldt-"),
		rule("slack-bot-token", `xoxb-[0-9]{10,13}-[0-9]{10,13}[0-9A-Za-z-]*`, 3, "xoxb-"),
		rule("slack-user-token", `xox[pe](?:-[0-9]{10,13}){3}-[0-9A-Za-z-]{28,34}`, 2, "xoxp-", "xoxe-"),
		rule("slack-app-token", `(?i:xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+)`, 2, "xapp-"),
		rule("slack-config-access-token", `(?i:xoxe\.xox[bp]-\d-[A-Z0-9]{163,166})`, 2, "xoxe.xox"),
		rule("slack-webhook-url", `(?:https?://)?hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{43,56}`, 0, "hooks.slack.com/"),
		rule("gcp-api-key", `AIza[\w\-]{35}`, 4, "aiza"),
		rule("stripe-access-token", `(?:sk|rk)_(?:test|live|prod)_[0-9A-Za-z]{10,99}`, 2, "sk_test_", "sk_live_", "sk_prod_", "rk_test_", "rk_live_", "rk_prod_"),
		rule("openai-api-key", `sk-(?:proj|svcacct|admin)-[A-Za-z0-9_\-]{20,200}|sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}`, 3, "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-"),
		rule("anthropic-api-key", `sk-ant-api03-[\w\-]{93}AA`, 3, "sk-ant-api03-"),
		rule("anthropic-admin-api-key", `sk-ant-admin01-[\w\-]{93}AA`, 3, "sk-ant-admin01-"),
		rule("huggingface-access-token", `hf_[A-Za-z]{34}`, 2, "hf_"),
		rule("sendgrid-api-token", `SG\.[\w\-=.]{66}`, 2, "sg."),
		rule("sendinblue-api-token", `xkeysib-[0-9a-f]{64}-[0-9A-Za-z]{16}`, 2, "xkeysib-"),
		rule("mailgun-private-api-token", `key-[0-9a-f]{32}`, 3, "key-"),
		rule("mailchimp-api-key", `[0-9a-f]{32}-us\d\d`, 3, "-us1", "-us2"),
		rule("twilio-api-key", `SK[0-9a-fA-F]{32}`, 3, "sk"),
		rule("npm-access-token", `npm_[0-9A-Za-z]{36}`, 2, "npm_"),
		rule("pypi-upload-token", `pypi-AgEIcHlwaS5vcmc[\w\-]{50,1000}`, 3, "pypi-ageichlwas5vcmc"),
		rule("rubygems-api-token", `rubygems_[0-9a-f]{48}`, 2, "rubygems_"),
		rule("dockerhub-pat", `dckr_pat_[\w\-]{27}`, 3, "dckr_pat_"),
		rule("digitalocean-pat", `dop_v1_[0-9a-f]{64}`, 3, "dop_v1_"),
		rule("digitalocean-access-token", `doo_v1_[0-9a-f]{64}`, 3, "doo_v1_"),
		rule("shopify-access-token", `shpat_[0-9a-fA-F]{32}`, 2, "shpat_"),
		rule("shopify-shared-secret", `shpss_[0-9a-fA-F]{32}`, 2, "shpss_"),
		rule("square-access-token", `sq0atp-[\w\-]{22,60}`, 2, "sq0atp-"),
		rule("atlassian-api-token", `ATATT3[A-Za-z0-9_\-=]{186}`, 3.5, "atatt3"),
		rule("databricks-api-token", `dapi[0-9a-f]{32}(?:-\d)?`, 3, "dapi"),
		rule("grafana-service-account-token", `glsa_[0-9A-Za-z]{32}_[0-9A-Fa-f]{8}`, 3, "glsa_"),
		rule("grafana-cloud-api-token", `glc_[0-9A-Za-z+/]{32,400}={0,3}`, 3, "glc_"),
		rule("hashicorp-tf-api-token", `[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z\-_=]{60,70}`, 3.5, ".atlasv1."),
		rule("vault-service-token", `hvs\.[\w\-]{90,120}`, 3.5, "hvs."),
		rule("age-secret-key", `AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}`, 0, "age-secret-key-1"),
		rule("linear-api-key", `lin_api_[0-9A-Za-z]{40}`, 2, "lin_api_"),
		rule("notion-api-token", `ntn_[0-9]{11}[A-Za-z0-9]{35}`, 4, "ntn_"),
		rule("postman-api-token", `PMAK-[0-9a-f]{24}-[0-9a-f]{34}`, 3, "pmak-"),
		rule("new-relic-user-api-key", `NRAK-[0-9A-Z]{27}`, 3, "nrak-"),
		rule("dynatrace-api-token", `dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}`, 3, "dt0c01."),
		rule("doppler-api-token", `dp\.pt\.[0-9A-Za-z]{43}`, 2, "dp.pt."),
		rule("flyio-access-token", `fo1_[\w\-]{43}`, 3, "fo1_"),
		rule("planetscale-api-token", `pscale_tkn_[\w\-=.]{32,64}`, 3, "pscale_tkn_"),
		rule("telegram-bot-api-token", `[0-9]{5,16}:AA[A-Za-z0-9_\-]{32,34}`, 3, ":aa"),
		rule("microsoft-teams-webhook", `https://[a-z0-9]+\.webhook\.office\.com/webhookb2/[0-9a-f\-]{36}@[0-9a-f\-]{36}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f\-]{36}`, 0, "webhook.office.com/"),
		rule("azure-ad-client-secret", `[0-9A-Za-z_~.]{3}\dQ~[0-9A-Za-z_~.\-]{31,34}`, 3, "q~"),
		rule("jwt", `eyJ[A-Za-z0-9_\-]{14,}\.eyJ[A-Za-z0-9_/\-]{14,}\.[A-Za-z0-9_/\-]{10,}={0,2}`, 3, "eyj"),
	}
	for i := range rules {
		switch rules[i].id { // the anchor stands inside the credential
		case "mailchimp-api-key":
			rules[i].back = 32
		case "hashicorp-tf-api-token":
			rules[i].back = 14
		case "telegram-bot-api-token":
			rules[i].back = 16
		case "azure-ad-client-secret":
			rules[i].back = 4
		case "microsoft-teams-webhook", "slack-webhook-url":
			rules[i].back = 80
		}
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
