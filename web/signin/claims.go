package signin

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// claims is the payload of an ID token, or of the userinfo answer.
type claims map[string]any

// at follows a claim name into the payload. A name that stands there as it is
// wins over the dots in it, at every level: Auth0 writes claims like
// "https://corp.example/roles", Keycloak nests "realm_access.roles".
func (c claims) at(path string) (any, bool) {
	if v, ok := c[path]; ok {
		return v, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if inner, ok := c[path[:i]].(map[string]any); ok {
			if v, ok := claims(inner).at(path[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

func (c claims) text(path string) string {
	v, _ := c.at(path)
	s, _ := v.(string)
	return s
}

// verified reads email_verified. Cognito and others send the word "true".
func (c claims) verified() bool {
	switch v := c["email_verified"].(type) {
	case bool:
		return v
	case string:
		return v == "true"
	}
	return false
}

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

// names reads a claim of roles or groups: one string, a list of strings, a
// list of objects that carry a name, or an object whose keys are the roles
// (Zitadel). Strings are never split: a group may be "CN=admins,OU=it".
func (c claims) names(path string) []string {
	v, _ := c.at(path)
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		return listNames(v)
	case map[string]any:
		var out []string
		for name := range v {
			out = append(out, name)
		}
		slices.Sort(out)
		return out
	}
	return nil
}

func listNames(list []any) []string {
	var out []string
	for _, item := range list {
		switch item := item.(type) {
		case string:
			out = append(out, item)
		case json.Number:
			out = append(out, item.String())
		case map[string]any:
			for _, member := range []string{"name", "displayName", "value", "id"} {
				if s, ok := item[member].(string); ok {
					out = append(out, s)
					break
				}
			}
		}
	}
	return out
}

// overage says whether the provider left the groups out because there are too
// many: Entra does so above 200 and points to its Graph instead. Without this
// an administrator of many groups would silently lose the role.
func (c claims) overage(path string) bool {
	if _, present := c.at(path); present {
		return false
	}
	if sources, ok := c["_claim_names"].(map[string]any); ok {
		if _, elsewhere := sources[path]; elsewhere {
			return true
		}
	}
	has, _ := c["hasgroups"].(bool)
	return has && path == "groups"
}

// roles maps what the provider said, and the address itself, to our roles. An
// address in the table serves providers that send no groups at all (Google).
func (c OIDC) roles(names []string, person mailaddr.Address) []Role {
	var out []Role
	for _, role := range []Role{Admin, Approver, Auditor} {
		for _, want := range c.Roles[role] {
			if slices.Contains(names, want) || sameAddress(want, person) {
				out = append(out, role)
				break
			}
		}
	}
	return out
}

func sameAddress(want string, person mailaddr.Address) bool {
	return strings.Contains(want, "@") && mailaddr.Address(want).Key() == person.Key()
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
