package signin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// Scope bounds a token below what its owner may do.
type Scope string

// The scopes of tokens.
const (
	ReadOnly Scope = "read"
	MayAct   Scope = "act"
)

// Token is a bearer token of a program. It acts as the person who made it,
// never with more than that person's present rights.
type Token struct {
	ID        string
	Identity  string
	Name      string
	Scope     Scope
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // to the hour: a request does not write
	RevokedAt time.Time
}

// tokenPrefix lets secret scanners recognise a token that was leaked.
const tokenPrefix = "sekisho_"

// Bounds of a token.
const (
	MaxTokenLife  = 366 * 24 * time.Hour
	maxTokens     = 50 // of one person
	maxTokenName  = 80
	tokenUsedStep = time.Hour
)

// ErrTokenName, ErrTokenLife and ErrTooManyTokens refuse a new token.
var (
	ErrTokenName     = errors.New("a token needs a name of at most 80 characters")
	ErrTokenLife     = errors.New("a token lasts at least an hour and at most 366 days")
	ErrTooManyTokens = errors.New("too many tokens: revoke some first")
)

// CreateToken makes a token of the visitor's own and gives its secret, which is
// shown once and not kept.
func (g *Gate) CreateToken(ctx context.Context, v *Visitor, name string, scope Scope, life time.Duration) (*Token, string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "" || len([]rune(name)) > maxTokenName:
		return nil, "", ErrTokenName
	case life < time.Hour || life > MaxTokenLife:
		return nil, "", ErrTokenLife
	case scope != ReadOnly && scope != MayAct:
		return nil, "", fmt.Errorf("unknown scope %q", scope)
	}
	secret := tokenPrefix + random()
	t := &Token{ID: db.NewID(), Identity: v.Identity.ID, Name: name, Scope: scope}
	err := g.db.Write(ctx, func(tx *db.Tx) error {
		t.CreatedAt, t.ExpiresAt = tx.Now(), tx.Now().Add(life)
		return insertToken(tx, t, secret, v.Actor())
	})
	if err != nil {
		return nil, "", fmt.Errorf("create token: %w", err)
	}
	return t, secret, nil
}

func insertToken(tx *db.Tx, t *Token, secret, actor string) error {
	var have int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM web_token WHERE identity = $1 AND revoked_at = 0`, t.Identity).Scan(&have); err != nil {
		return err
	}
	if have >= maxTokens {
		return ErrTooManyTokens
	}
	_, err := tx.Exec(`INSERT INTO web_token (id, identity, name, hash, scope, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		t.ID, t.Identity, t.Name, hashSecret(secret), string(t.Scope), db.Micros(t.CreatedAt), db.Micros(t.ExpiresAt))
	if err != nil {
		return err
	}
	return audit.Append(tx, audit.Entry{Actor: actor, Action: "token_create", Object: t.ID, Detail: map[string]string{"scope": string(t.Scope)}})
}

// hashSecret needs no salt and no stretching: the secret has 256 random bits.
func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

const tokenColumns = `id, identity, name, scope, created_at, expires_at, used_at, revoked_at`

func scanToken(scan func(...any) error) (*Token, error) {
	var t Token
	var created, expires, used, revoked int64
	if err := scan(&t.ID, &t.Identity, &t.Name, &t.Scope, &created, &expires, &used, &revoked); err != nil {
		return nil, err
	}
	t.CreatedAt, t.ExpiresAt, t.UsedAt, t.RevokedAt = db.Time(created), db.Time(expires), db.Time(used), db.Time(revoked)
	return &t, nil
}

// ByBearer gives who a program acts for, nil for a token that is unknown,
// expired or revoked.
func (g *Gate) ByBearer(ctx context.Context, secret string) (*Visitor, error) {
	if !strings.HasPrefix(secret, tokenPrefix) {
		return nil, nil
	}
	var v *Visitor
	var now time.Time
	err := g.db.Read(ctx, func(tx *db.Tx) error {
		v, now = nil, tx.Now()
		t, err := scanToken(tx.QueryRow(`SELECT `+tokenColumns+` FROM web_token WHERE hash = $1`, hashSecret(secret)).Scan)
		if db.IsNoRows(err) {
			return nil
		}
		if err != nil || !t.RevokedAt.IsZero() || !t.ExpiresAt.After(now) {
			return err
		}
		if v, err = g.visitorTx(tx, t.Identity); v != nil {
			v.Token = t
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	if v != nil && now.Sub(v.Token.UsedAt) > tokenUsedStep {
		return v, g.noteUse(ctx, v.Token.ID)
	}
	return v, nil
}

func (g *Gate) noteUse(ctx context.Context, id string) error {
	return g.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE web_token SET used_at = $1 WHERE id = $2`, db.Micros(tx.Now()), id)
		return err
	})
}

// Tokens lists the visitor's own tokens, the newest first.
func (g *Gate) Tokens(ctx context.Context, v *Visitor) ([]*Token, error) {
	var out []*Token
	err := g.db.Read(ctx, func(tx *db.Tx) error {
		out = nil
		rows, err := tx.Query(`SELECT `+tokenColumns+` FROM web_token WHERE identity = $1 ORDER BY created_at DESC, id DESC LIMIT 200`, v.Identity.ID)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			t, err := scanToken(rows.Scan)
			if err != nil {
				return err
			}
			out = append(out, t)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return out, nil
}

// RevokeToken ends one of the visitor's own tokens.
func (g *Gate) RevokeToken(ctx context.Context, v *Visitor, id string) error {
	return g.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE web_token SET revoked_at = $1 WHERE id = $2 AND identity = $3 AND revoked_at = 0`,
			db.Micros(tx.Now()), id, v.Identity.ID)
		if err != nil {
			return fmt.Errorf("revoke token: %w", err)
		}
		if n == 0 {
			return db.ErrNotFound
		}
		return audit.Append(tx, audit.Entry{Actor: v.Actor(), Action: "token_revoke", Object: id})
	})
}
