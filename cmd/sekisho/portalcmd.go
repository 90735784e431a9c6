package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/seal"
)

// PortalCmd prepares a node that is only a portal.
type PortalCmd struct {
	Keys   PortalKeysCmd   `cmd:"" help:"Write the key file of a portal: it opens files behind links, and no mail."`
	Grants PortalGrantsCmd `cmd:"" help:"Print the SQL that gives a PostgreSQL user what a portal needs."`
}

// PortalKeysCmd derives a portal's key file.
type PortalKeysCmd struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration file of a node with the main keys."`
	File   string `arg:"" help:"File to write; it must not exist. Bring it to the portal, mode 0600, as its keys.file."`
}

// Help is shown below the flags.
func (PortalKeysCmd) Help() string {
	return `The keys in it are derived from the main ones, and no way leads back. Whoever has
them and the database reads what portals show: names and files behind links. Mail,
subjects and findings stay closed, and no link can be made with them. After a rotation
of the main keys, write it again.`
}

// Run writes the file.
func (c *PortalKeysCmd) Run(out *Streams) error {
	conf, err := LoadConfig(c.Config)
	if err != nil {
		return err
	}
	if _, err := os.Stat(conf.Keys.File); err != nil {
		return fmt.Errorf("there is no main key file yet (start a node with another role first): %w", err)
	}
	keys, err := seal.Load(conf.Keys.File)
	if err != nil {
		return err
	}
	if err := keys.WritePortal(c.File); err != nil {
		return err
	}
	fmt.Fprintf(out.Out, "%s written. Bring it to the portal and remove it here.\n", c.File)
	return nil
}

// PortalGrantsCmd prints SQL.
type PortalGrantsCmd struct {
	User   string `default:"sekisho_portal" placeholder:"NAME" help:"Database user of the portal."`
	Schema string `default:"public" placeholder:"NAME" help:"Schema that holds Sekisho's tables."`
}

// Help is shown below the flags.
func (PortalGrantsCmd) Help() string {
	return `Make the user first, then run the output as the owner of Sekisho's tables, for example:

  psql -c "CREATE USER sekisho_portal PASSWORD '...'" sekisho
  sekisho portal grants | psql sekisho

The user can read neither mail nor its subjects, cannot change the log or read it, and
leaves other nodes nothing but one-time codes to send. Run it again after an update.`
}

//go:embed portalgrants.sql
var portalGrants string

var sqlName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// Run prints.
func (c *PortalGrantsCmd) Run(_ context.Context, out *Streams) error {
	if !sqlName.MatchString(c.User) || !sqlName.MatchString(c.Schema) {
		return errors.New("names of users and schemas are lower-case letters, digits and underlines")
	}
	_, err := fmt.Fprint(out.Out, strings.NewReplacer("{user}", c.User, "{schema}", c.Schema).Replace(portalGrants))
	return err
}
