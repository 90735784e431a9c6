package signin

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// What is peculiar to Microsoft's provider: one issuer for many companies, and addresses that nobody has proved.

// domainProved reads Microsoft's xms_edov: the owner of the address's domain has been verified.
func (c claims) domainProved() bool {
	switch v := c["xms_edov"].(type) {
	case bool:
		return v
	case string:
		return v == "true" || v == "1"
	case float64:
		return v == 1
	}
	return false
}

// Entra's "common" and "organizations" let in every tenant on earth, and its
// tenant of personal accounts everybody else.
const entraPersonal = "9188040d-6c67-4c5b-b112-36a304b66dad"

func isEntra(issuer *url.URL) bool {
	return issuer.Host == "login.microsoftonline.com" || issuer.Host == "sts.windows.net" ||
		strings.HasPrefix(issuer.Host, "login.microsoftonline.") || strings.HasPrefix(issuer.Host, "login.partner.microsoftonline.")
}

// checkEntra keeps nOAuth out: in Entra the e-mail claim is whatever the
// owner of any tenant wrote there, and there is no email_verified.
func checkEntra(issuer *url.URL, personClaim string) []error {
	if !isEntra(issuer) {
		return nil
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(issuer.Path, "/"), "/")
	var problems []error
	if slices.Contains([]string{"", "common", "organizations", "consumers", entraPersonal}, tenant) {
		problems = append(problems, fmt.Errorf("issuer %s lets in other companies: name your own tenant id", issuer))
	}
	if personClaim != "preferred_username" && personClaim != "upn" {
		problems = append(problems, fmt.Errorf("person_claim must be preferred_username with Entra: it sends no verified e-mail address"))
	}
	return problems
}

// tenantMark stands in the issuer of Microsoft's discovery where a token has the id of a company.
const tenantMark = "{tenantid}"

// manyTenants are the issuers of all companies that one of Microsoft's common addresses serves.
type manyTenants struct {
	issuer   string // with tenantMark
	personal bool   // accounts of no company count as well
}

// tenantsOf gives the address to discover at and, where it serves many companies, whose tokens are taken there.
func tenantsOf(issuer string) (at string, many *manyTenants) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || !isEntra(u) {
		return issuer, nil
	}
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	base := u.Scheme + "://" + u.Host + "/"
	switch tenant {
	case "common", tenantMark:
		return base + "common/" + rest, &manyTenants{issuer: base + tenantMark + "/" + rest, personal: true}
	case "organizations":
		return issuer, &manyTenants{issuer: base + tenantMark + "/" + rest}
	case "consumers": // its discovery names one issuer, that of its id
		return base + entraPersonal + "/" + rest, nil
	}
	return issuer, nil
}

var tenantForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// check compares issuer and tenant of a token. Each company has an issuer of its own; a signature alone would let any
// of them speak in the name of another.
func (m *manyTenants) check(issuer, tenant string) error {
	switch {
	case !tenantForm.MatchString(tenant):
		return fmt.Errorf("%w: no tenant", ErrBadToken)
	case issuer != strings.Replace(m.issuer, tenantMark, tenant, 1):
		return fmt.Errorf("%w: issuer of another tenant", ErrBadToken)
	case tenant == entraPersonal && !m.personal:
		return fmt.Errorf("%w: a personal account", ErrBadToken)
	}
	return nil
}
