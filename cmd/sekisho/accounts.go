package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/seal"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// accounts are the providers of portal.accounts, at which people outside prove their address.
func (c *Config) accounts(d *db.DB, keys *seal.Keys) (out []*signin.Account, err error) {
	for i, each := range c.Portal.Accounts {
		o := signin.OIDC{Issuer: each.Issuer, ClientID: each.ClientID}
		if each.ClientSecretFile != "" {
			if o.ClientSecret, err = readSecret(each.ClientSecretFile); err != nil {
				return nil, fmt.Errorf("portal.accounts.%d.client_secret_file: %w", i, err)
			}
		}
		if o.Client, err = clientTrusting(each.CAFile); err != nil {
			return nil, fmt.Errorf("portal.accounts.%d.ca_file: %w", i, err)
		}
		a, err := signin.NewAccount(signin.AccountOptions{Name: each.Name, OIDC: o, DB: d, Keys: keys, BaseURL: mustURL(c.Portal.URL)})
		if err != nil {
			return nil, fmt.Errorf("portal.accounts.%d: %w", i, err)
		}
		out = append(out, a)
	}
	return out, nil
}

func (c *Config) completeAccounts() {
	for i := range c.Portal.Accounts {
		a := &c.Portal.Accounts[i]
		a.Issuer = strings.TrimSpace(a.Issuer)
		a.ClientSecretFile, a.CAFile = c.beside(a.ClientSecretFile), c.beside(a.CAFile)
	}
}

func (c *Config) validateAccounts() {
	form, seen := regexp.MustCompile(`^[A-Za-z0-9-]{1,30}$`), map[string]bool{}
	for i, a := range c.Portal.Accounts {
		path := fmt.Sprintf("portal.accounts.%d", i)
		if !form.MatchString(a.Name) || seen[a.Name] {
			c.file.Add(path+".name", "%q must be a name of its own of letters, digits and hyphens", a.Name)
		}
		seen[a.Name] = true
		if a.Issuer == "" {
			c.file.Add(path, "an account needs its issuer")
		}
		if a.ClientID == "" {
			c.file.Add(path, "an account needs its client_id")
		}
	}
}
