package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/audit"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Why says what kept somebody out.
type Why string

// The refusals of people whom the provider vouches for.
const (
	NoClaim      Why = "no_claim"      // the provider sent no person_claim
	NotVerified  Why = "not_verified"  // an e-mail address nobody has verified
	NotAPerson   Why = "not_a_person"  // nobody in the people file has this address
	OtherSubject Why = "other_subject" // the person is pinned to another account
	OtherPerson  Why = "other_person"  // the account is pinned to another person
)

// Refusal keeps out somebody who signed in at the provider. Address is what the
// provider called them.
type Refusal struct {
	Why     Why
	Address string
}

func (e *Refusal) Error() string { return "sign-in refused: " + string(e.Why) }

// arrival is what the provider said about somebody, before we know the person.
type arrival struct {
	issuer, subject string
	address         mailaddr.Address // "" where the claim is missing or unusable
	why             Why              // why it is
	called          string
	groups          []string
	overage         bool
}

func (k *client) arrivalOf(said claims) (*arrival, error) {
	a := &arrival{
		issuer: k.oidc.Issuer, subject: said.text("sub"),
		called: said.text(k.oidc.PersonClaim),
		groups: said.names(k.oidc.RolesClaim), overage: said.overage(k.oidc.RolesClaim),
	}
	address, err := mailaddr.Parse(a.called, true)
	switch {
	case a.called == "":
		a.why = NoClaim
	case err != nil:
		a.why = NotAPerson
	case k.oidc.PersonClaim == "email" && !said.verified():
		a.why = NotVerified
	default:
		a.address = address
	}
	return a, nil
}

// Identity is a pinned account: this subject of this issuer is this person.
type Identity struct {
	ID              string
	Issuer, Subject string
	Person          mailaddr.Address
	Roles           []Role
	Overage         bool // the provider left the groups out at the last login
	BoundAt         time.Time
	SignedInAt      time.Time
	RefusedAt       time.Time // when another subject last claimed to be this person
	RefusedSubject  string
}

const identityColumns = `id, issuer, subject, person, roles, overage, bound_at, signed_in_at, refused_at, refused_subject`

func scanIdentity(scan func(...any) error) (*Identity, error) {
	var i Identity
	var roles string
	var overage, bound, signed, refused int64
	err := scan(&i.ID, &i.Issuer, &i.Subject, &i.Person, &roles, &overage, &bound, &signed, &refused, &i.RefusedSubject)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(roles), &i.Roles); err != nil {
		return nil, fmt.Errorf("read roles of identity %s: %w", i.ID, err)
	}
	i.Overage = overage != 0
	i.BoundAt, i.SignedInAt, i.RefusedAt = db.Time(bound), db.Time(signed), db.Time(refused)
	return &i, nil
}

// admit lets an arrival in as a person or refuses it, and writes down which.
func (g *Gate) admit(ctx context.Context, a *arrival) (*Identity, error) {
	var id *Identity
	var refusal *Refusal
	err := g.db.Write(ctx, func(tx *db.Tx) error {
		var err error
		id, refusal, err = g.admitTx(tx, a)
		if err != nil {
			return err
		}
		return audit.Append(tx, signInEntry(a, id, refusal))
	})
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	if refusal != nil {
		return nil, refusal
	}
	return id, nil
}

func signInEntry(a *arrival, id *Identity, refusal *Refusal) audit.Entry {
	if refusal != nil {
		return audit.Entry{Actor: "system", Action: "sign_in_refused",
			Detail: map[string]string{"address": a.called, "subject": a.subject, "why": string(refusal.Why)}}
	}
	return audit.Entry{Actor: "person:" + id.Person.String(), Action: "sign_in", Object: id.ID,
		Detail: map[string]string{"subject": a.subject, "roles": fmt.Sprint(id.Roles)}}
}

func (g *Gate) admitTx(tx *db.Tx, a *arrival) (*Identity, *Refusal, error) {
	refuse := func(why Why) (*Identity, *Refusal, error) { return nil, &Refusal{Why: why, Address: a.called}, nil }
	book := g.people()
	claimed, known := book.ByAddress(a.address)
	pinned, err := identityBySubject(tx, a.issuer, a.subject)
	if err != nil && !db.IsNoRows(err) {
		return nil, nil, err
	}
	if pinned != nil {
		// From here on the subject is the identity; the address may be renamed, but not become somebody else's.
		person, ok := book.ByAddress(pinned.Person)
		switch {
		case !ok:
			return refuse(NotAPerson)
		case known && claimed != person:
			return refuse(OtherPerson)
		}
		return g.welcome(tx, pinned, person, a)
	}
	switch {
	case a.why != "":
		return refuse(a.why)
	case !known:
		return refuse(NotAPerson)
	}
	taken, err := rejectSecond(tx, claimed.Address, a.subject)
	if err != nil {
		return nil, nil, err
	}
	if taken {
		return refuse(OtherSubject)
	}
	return g.pin(tx, claimed, a)
}

func identityBySubject(tx *db.Tx, issuer, subject string) (*Identity, error) {
	return scanIdentity(tx.QueryRow(`SELECT `+identityColumns+` FROM web_identity WHERE issuer = $1 AND subject = $2`, issuer, subject).Scan)
}

// rejectSecond notes that another subject claims to be a person who is pinned.
func rejectSecond(tx *db.Tx, person mailaddr.Address, subject string) (bool, error) {
	n, err := tx.Exec(`UPDATE web_identity SET refused_at = $1, refused_subject = $2 WHERE person = $3`,
		db.Micros(tx.Now()), subject, person.Key().String())
	return n > 0, err
}

func (g *Gate) pin(tx *db.Tx, p *approval.Person, a *arrival) (*Identity, *Refusal, error) {
	id := &Identity{ID: db.NewID(), Issuer: a.issuer, Subject: a.subject, Person: p.Address.Key(),
		Roles: g.oidc.roles(a.groups, p.Address), Overage: a.overage, BoundAt: tx.Now(), SignedInAt: tx.Now()}
	roles, err := json.Marshal(noNil(id.Roles))
	if err != nil {
		return nil, nil, err
	}
	now := db.Micros(tx.Now())
	_, err = tx.Exec(`INSERT INTO web_identity (id, issuer, subject, person, roles, overage, bound_at, signed_in_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		id.ID, id.Issuer, id.Subject, id.Person.String(), string(roles), db.Bool(id.Overage), now, now)
	if db.IsUnique(err) { // two first logins at once: run again and find the winner
		return nil, nil, db.ErrConflict
	}
	return id, nil, err
}

// welcome reads the roles again: a role that the provider took away ends here.
func (g *Gate) welcome(tx *db.Tx, id *Identity, p *approval.Person, a *arrival) (*Identity, *Refusal, error) {
	id.Roles, id.Overage, id.SignedInAt = g.oidc.roles(a.groups, p.Address), a.overage, tx.Now()
	roles, err := json.Marshal(noNil(id.Roles))
	if err != nil {
		return nil, nil, err
	}
	_, err = tx.Exec(`UPDATE web_identity SET roles = $1, overage = $2, signed_in_at = $3 WHERE id = $4`,
		string(roles), db.Bool(id.Overage), db.Micros(id.SignedInAt), id.ID)
	return id, nil, err
}

func noNil(roles []Role) []Role {
	if roles == nil {
		return []Role{}
	}
	return roles
}

// Has says whether the identity had the role at its last login.
func (i *Identity) Has(role Role) bool { return i != nil && slices.Contains(i.Roles, role) }

// Identities lists pinned accounts by person, after the person given.
func (g *Gate) Identities(ctx context.Context, after mailaddr.Address, limit int) ([]*Identity, error) {
	var out []*Identity
	err := g.db.Read(ctx, func(tx *db.Tx) error {
		out = nil
		rows, err := tx.Query(`SELECT `+identityColumns+` FROM web_identity WHERE person > $1 ORDER BY person LIMIT $2`, after.String(), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			id, err := scanIdentity(rows.Scan)
			if err != nil {
				return err
			}
			out = append(out, id)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list identities: %w", err)
	}
	return out, nil
}

// Unbind forgets which account a person signs in with. Their sessions and
// tokens end at once; the next login pins anew.
func (g *Gate) Unbind(ctx context.Context, id, actor, reason string) error {
	return g.db.Write(ctx, func(tx *db.Tx) error {
		was, err := scanIdentity(tx.QueryRow(`SELECT `+identityColumns+` FROM web_identity WHERE id = $1`, id).Scan)
		if db.IsNoRows(err) {
			return db.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("unbind: %w", err)
		}
		for _, statement := range []string{`DELETE FROM web_token WHERE identity = $1`, `DELETE FROM web_identity WHERE id = $1`} {
			if _, err := tx.Exec(statement, id); err != nil {
				return fmt.Errorf("unbind: %w", err)
			}
		}
		return audit.Append(tx, audit.Entry{Actor: actor, Action: "unbind", Object: id,
			Detail: map[string]string{"person": was.Person.String(), "subject": was.Subject, "reason": reason}})
	})
}
