package signin

import (
	"encoding/json"
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
