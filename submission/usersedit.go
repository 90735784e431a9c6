package submission

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"go.yaml.in/yaml/v3"
)

// What can be wrong with a change of the users file.
var (
	ErrUserExists    = errors.New("the user exists already")
	ErrNoSuchUser    = errors.New("there is no such user")
	ErrEmptyPassword = errors.New("the password is empty")
	ErrLongPassword  = fmt.Errorf("the password is longer than %d octets", maxPassword)
)

// AddUser writes a new user with an argon2id hash of the password into the file, making the file when absent.
func AddUser(path string, address mailaddr.Address, password string) error {
	return editUsers(path, func(f *usersNode) error {
		if f.index(address) >= 0 {
			return ErrUserExists
		}
		if err := checkPassword(password); err != nil {
			return err
		}
		f.add(address, hashPassword(password))
		return nil
	})
}

// SetPassword changes a user's password.
func SetPassword(path string, address mailaddr.Address, password string) error {
	return editUsers(path, func(f *usersNode) error {
		i := f.index(address)
		if i < 0 {
			return ErrNoSuchUser
		}
		if err := checkPassword(password); err != nil {
			return err
		}
		f.setPassword(i, hashPassword(password))
		return nil
	})
}

// RemoveUser takes a user out of the file.
func RemoveUser(path string, address mailaddr.Address) error {
	return editUsers(path, func(f *usersNode) error {
		i := f.index(address)
		if i < 0 {
			return ErrNoSuchUser
		}
		f.list.Content = slices.Delete(f.list.Content, i, i+1)
		return nil
	})
}

// ListUsers names the users of the file in its order.
func ListUsers(path string) ([]mailaddr.Address, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read users file: %w", err)
	}
	users, wrong := parseUsers(text)
	if err := problems(path, wrong); err != nil {
		return nil, err
	}
	names := make([]mailaddr.Address, len(users))
	for i, u := range users {
		names[i] = u.address
	}
	return names, nil
}

func checkPassword(password string) error {
	switch {
	case password == "":
		return ErrEmptyPassword
	case len(password) > maxPassword:
		return ErrLongPassword
	}
	return nil
}

// usersNode is the file as its author wrote it, comments and order included.
type usersNode struct {
	doc, list *yaml.Node
}

// editUsers changes the file in one step: whoever reads it meanwhile sees the old or the new one.
func editUsers(path string, change func(*usersNode) error) error {
	unlock, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("change users file: %w", err)
	}
	defer unlock()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("change users file: %w", err)
	}
	// A file with mistakes is for its author to mend; rewriting it could lose what was meant.
	if _, wrong := parseUsers(text); len(wrong) > 0 {
		return problems(path, wrong)
	}
	f, err := readUsersNode(text)
	if err != nil {
		return fmt.Errorf("change users file: %w", err)
	}
	if err := change(f); err != nil {
		return err
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(f.doc), enc.Close()); err != nil {
		return fmt.Errorf("change users file: %w", err)
	}
	if err := replaceFile(path, out.Bytes()); err != nil {
		return fmt.Errorf("change users file: %w", err)
	}
	return nil
}

func readUsersNode(text []byte) (*usersNode, error) {
	f := &usersNode{doc: &yaml.Node{}}
	if err := yaml.Unmarshal(text, f.doc); err != nil {
		return nil, err
	}
	if len(f.doc.Content) == 0 || f.doc.Content[0].Kind != yaml.MappingNode {
		f.doc = &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	root := f.doc.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "users" {
			f.list = root.Content[i+1]
		}
	}
	if f.list == nil {
		f.list = &yaml.Node{}
		root.Content = append(root.Content, text1("users"), f.list)
	}
	if f.list.Kind != yaml.SequenceNode {
		*f.list = yaml.Node{Kind: yaml.SequenceNode} // `users:` with nothing after it
	}
	f.list.Style &^= yaml.FlowStyle // `users: []` would put everybody into one line
	return f, nil
}

func text1(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

func quoted(s string) *yaml.Node {
	n := text1(s)
	n.Style = yaml.DoubleQuotedStyle
	return n
}

func (f *usersNode) index(a mailaddr.Address) int {
	return slices.IndexFunc(f.list.Content, func(entry *yaml.Node) bool {
		v := value(entry, "address")
		return v != nil && mailaddr.Address(v.Value).Key() == a.Key()
	})
}

func value(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

func (f *usersNode) add(a mailaddr.Address, hash string) {
	f.list.Content = append(f.list.Content, &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle,
		Content: []*yaml.Node{text1("address"), text1(string(a)), text1("password"), quoted(hash)}})
}

func (f *usersNode) setPassword(i int, hash string) {
	if v := value(f.list.Content[i], "password"); v != nil {
		*v = *quoted(hash)
	}
}

// lockDirectory keeps two commands from changing the file at once, without leaving a lock file behind.
func lockDirectory(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		d.Close()
		return nil, err
	}
	return func() { d.Close() }, nil
}

// replaceFile writes a file that is there whole or not at all, readable for its owner only.
func replaceFile(path string, text []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".users-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	// Root adds users to a service that runs as somebody else and must still be able to read them.
	keepOwner(f, path, dir)
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDirectory(dir)
}

// keepOwner gives the new file the owner and the mode of the one it replaces, or those its directory asks for.
func keepOwner(f *os.File, path, dir string) {
	fi, err := os.Stat(path)
	made := err != nil
	if made {
		fi, err = os.Stat(dir)
	}
	if err != nil {
		return
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || f.Chown(int(st.Uid), int(st.Gid)) != nil { // fails for all but root, who alone needs it
		return
	}
	switch {
	case !made:
		f.Chmod(fi.Mode().Perm() & 0o640) // as it was, and never for everybody
	case st.Uid == 0 && st.Gid != 0:
		f.Chmod(0o640) // a directory of root and the service's group: the service reads, root writes
	}
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
