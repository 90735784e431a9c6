package signin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
)

// What a session holds: whose it is, and when it was last used. Roles are not
// in it; they stand with the identity, so that unbinding ends every session.
const (
	keyIdentity = "identity"
	keySeen     = "seen"
)

// seenEvery is how exactly the last use is kept: a page view writes nothing
// unless the last note of it is older.
const seenEvery = 5 * time.Minute

func (g *Gate) newSessions(lifetime time.Duration) *scs.SessionManager {
	s := scs.New()
	s.Store = &sessionStore{db: g.db}
	s.HashTokenInStore = true
	s.Lifetime = lifetime
	if lifetime == 0 {
		s.Lifetime = defaultLifetime
	}
	s.Cookie.Name = g.cookieName("session")
	s.Cookie.Secure = g.secure()
	s.Cookie.HttpOnly = true
	s.Cookie.SameSite = http.SameSiteLaxMode // Strict would ask people who come from a notice mail to sign in again
	s.Cookie.Persist = true                  // telephones close browsers all day long
	return s
}

// Wrap loads and saves the session around next. failed answers when the store
// cannot be read.
func (g *Gate) Wrap(next http.Handler, failed func(http.ResponseWriter, *http.Request, error)) http.Handler {
	s := *g.sessions
	s.ErrorFunc = failed
	return s.LoadAndSave(next)
}

// open begins a session under a new token, so that one planted before the
// login is worth nothing after it.
func (g *Gate) open(ctx context.Context, id *Identity) error {
	if err := g.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("begin session: %w", err)
	}
	now, err := g.db.Now(ctx)
	if err != nil {
		return fmt.Errorf("begin session: %w", err)
	}
	g.sessions.Put(ctx, keyIdentity, id.ID)
	g.sessions.Put(ctx, keySeen, db.Micros(now))
	return nil
}

// Visitor is somebody who is signed in, with a browser or with a token.
type Visitor struct {
	Identity *Identity
	Person   *approval.Person
	Token    *Token // nil in a browser
}

// Has says whether the visitor has the role.
func (v *Visitor) Has(role Role) bool { return v != nil && v.Identity.Has(role) }

// Actor is the visitor's name in the audit log.
func (v *Visitor) Actor() string {
	if v.Token != nil {
		return "token:" + v.Token.ID + ":" + v.Person.Address.String()
	}
	return "person:" + v.Person.Address.String()
}

// Visitor gives who the session of ctx belongs to, nil when nobody is signed
// in. ctx must come from a request inside Wrap.
func (g *Gate) Visitor(ctx context.Context) (*Visitor, error) {
	id := g.sessions.GetString(ctx, keyIdentity)
	if id == "" {
		return nil, nil
	}
	var v *Visitor
	var now time.Time
	err := g.db.Read(ctx, func(tx *db.Tx) error {
		now = tx.Now()
		var err error
		v, err = g.visitorTx(tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	idle := now.Sub(db.Time(g.sessions.GetInt64(ctx, keySeen)))
	if v == nil || idle > g.idle {
		return nil, g.sessions.Destroy(ctx)
	}
	if idle > seenEvery {
		g.sessions.Put(ctx, keySeen, db.Micros(now))
	}
	return v, nil
}

// visitorTx is nil for an identity that was unbound and for a person who has
// left the people file: both are out at once, whatever their cookie says.
func (g *Gate) visitorTx(tx *db.Tx, identity string) (*Visitor, error) {
	id, err := scanIdentity(tx.QueryRow(`SELECT `+identityColumns+` FROM web_identity WHERE id = $1`, identity).Scan)
	if db.IsNoRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	person, ok := g.people().ByAddress(id.Person)
	if !ok {
		return nil, nil
	}
	return &Visitor{Identity: id, Person: person}, nil
}

// SignOut ends the session of ctx.
func (g *Gate) SignOut(ctx context.Context, v *Visitor) error {
	if v != nil {
		err := g.db.Write(ctx, func(tx *db.Tx) error {
			return audit.Append(tx, audit.Entry{Actor: v.Actor(), Action: "sign_out", Object: v.Identity.ID})
		})
		if err != nil {
			return fmt.Errorf("sign out: %w", err)
		}
	}
	return g.sessions.Destroy(ctx)
}

// sessionStore keeps sessions in our database, under the hash of their token.
type sessionStore struct{ db *db.DB }

// FindCtx gives the content of a session that has not expired.
func (s *sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	var content []byte
	var expires int64
	var now time.Time
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		now = tx.Now()
		return tx.QueryRow(`SELECT content, expires_at FROM web_session WHERE token = $1`, token).Scan(&content, &expires)
	})
	if db.IsNoRows(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find session: %w", err)
	}
	if !db.Time(expires).After(now) {
		// Gone for good: a clock that jumps back must not revive it.
		return nil, false, s.DeleteCtx(ctx, token)
	}
	return content, true, nil
}

// CommitCtx stores a session.
func (s *sessionStore) CommitCtx(ctx context.Context, token string, content []byte, expires time.Time) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO web_session (token, content, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (token) DO UPDATE SET content = excluded.content, expires_at = excluded.expires_at`,
			token, content, db.Micros(expires))
		return err
	})
}

// DeleteCtx removes a session.
func (s *sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM web_session WHERE token = $1`, token)
		return err
	})
}

// Find, Commit and Delete are what scs calls without a context; it has one
// everywhere we use it.
func (s *sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a context.
func (s *sessionStore) Commit(token string, content []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), token, content, expires)
}

// Delete is DeleteCtx without a context.
func (s *sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// Run removes expired sessions and tokens until ctx ends. A sweep that fails
// is tried again at the next turn: expired rows open nothing meanwhile.
func (g *Gate) Run(ctx context.Context) error {
	for {
		if err := g.sweep(ctx); err != nil && ctx.Err() == nil {
			g.log.Warn("session sweep failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Minute):
		}
	}
}

// tokensKept is how long an ended token stays in the lists of its owner.
const tokensKept = 30 * 24 * time.Hour

func (g *Gate) sweep(ctx context.Context) error {
	return g.db.WriteLow(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`DELETE FROM web_session WHERE expires_at < $1`, db.Micros(tx.Now())); err != nil {
			return fmt.Errorf("sweep sessions: %w", err)
		}
		if _, err := tx.Exec(`DELETE FROM web_token WHERE expires_at < $1`, db.Micros(tx.Now().Add(-tokensKept))); err != nil {
			return fmt.Errorf("sweep tokens: %w", err)
		}
		return nil
	})
}
