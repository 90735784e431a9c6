package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/submission"
	"golang.org/x/term"
)

// UserCmd is the built-in user file.
type UserCmd struct {
	Add    UserAddCmd    `cmd:"" help:"Add a user; the password is asked for, or read from standard input."`
	Passwd UserPasswdCmd `cmd:"" help:"Change a password."`
	List   UserListCmd   `cmd:"" help:"List the users."`
	Remove UserRemoveCmd `cmd:"" help:"Remove a user."`
}

// UserFlags name the file.
type UserFlags struct {
	Config string `short:"c" placeholder:"FILE" help:"Configuration file that names the users file."`
	File   string `placeholder:"FILE" help:"Users file, instead of the configured one."`
}

func (f UserFlags) path() (string, error) {
	if f.File != "" {
		return f.File, nil
	}
	if f.Config == "" {
		return "", errors.New("name the users file with --file, or the configuration with --config")
	}
	c, err := LoadConfig(f.Config)
	if err != nil {
		return "", err
	}
	return c.Submission.Auth.UsersFile, nil
}

// UserAddCmd adds.
type UserAddCmd struct {
	UserFlags
	Address string `arg:"" help:"The user's address; also the user name in mail programs."`
}

// Run adds.
func (c *UserAddCmd) Run(_ context.Context, out *Streams) error {
	return c.edit(out, c.Address, "added", submission.AddUser)
}

// UserPasswdCmd changes a password.
type UserPasswdCmd struct {
	UserFlags
	Address string `arg:"" help:"The user's address."`
}

// Run changes it.
func (c *UserPasswdCmd) Run(_ context.Context, out *Streams) error {
	return c.edit(out, c.Address, "changed", submission.SetPassword)
}

func (f UserFlags) edit(out *Streams, who, done string, do func(path string, a mailaddr.Address, password string) error) error {
	path, err := f.path()
	if err != nil {
		return err
	}
	address, err := mailaddr.Parse(who, true)
	if err != nil {
		return fmt.Errorf("%s: %w", printable(who), err)
	}
	password, err := askPassword(out)
	if err != nil {
		return err
	}
	if err := do(path, address, password); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	fmt.Fprintf(out.Out, "%s: %s\n", address, done)
	return nil
}

// askPassword asks twice where a person types, and reads one line where a program does. It never comes from the
// command line, which every user of the machine can see.
func askPassword(out *Streams) (string, error) {
	if f, ok := out.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(out.Err, "Password: ")
		one, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(out.Err)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		fmt.Fprint(out.Err, "Again: ")
		two, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(out.Err)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		if string(one) != string(two) {
			return "", errors.New("the two passwords differ")
		}
		return string(one), nil
	}
	line, err := bufio.NewReader(out.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// UserListCmd lists.
type UserListCmd struct {
	UserFlags
	JSON bool `name:"json" help:"Print one JSON object per line."`
}

// Run lists.
func (c *UserListCmd) Run(_ context.Context, out *Streams) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	users, err := submission.ListUsers(path)
	if err != nil {
		return err
	}
	for _, u := range users {
		if c.JSON {
			if err := printJSON(out.Out, map[string]string{"address": string(u)}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintln(out.Out, u)
	}
	if len(users) == 0 && !c.JSON {
		fmt.Fprintln(out.Out, "no users yet: sekisho user add ADDRESS")
	}
	return nil
}

// UserRemoveCmd removes.
type UserRemoveCmd struct {
	UserFlags
	Address string `arg:"" help:"The user's address."`
}

// Run removes.
func (c *UserRemoveCmd) Run(_ context.Context, out *Streams) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	if err := submission.RemoveUser(path, mailaddr.Address(c.Address)); err != nil {
		return fmt.Errorf("%s: %w", printable(c.Address), err)
	}
	fmt.Fprintf(out.Out, "%s: removed\n", printable(c.Address))
	return nil
}
