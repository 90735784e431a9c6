package approval

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
)

// Causes of alarms that notices have words for.
const (
	CauseUninspected  = "uninspected"   // a mail could not be inspected and is held
	CauseRefusal      = "refusal"       // a rule refused a mail after acceptance
	CauseNotReady     = "not_ready"     // something that taking or sending mail needs does not answer
	CausePeopleFile   = "people_file"   // the changed people file has mistakes
	CausePolicyFile   = "policy_file"   // the changed policy file has mistakes
	CauseMalware      = "malware"       // a file that was sent as a link is malware
	CauseDamaged      = "damaged"       // a stored file is not what was stored
	CauseNoticeFailed = "notice_failed" // one of our own mails could not be delivered
)

// alarmPause is what lies at least between two mails of one cause.
const alarmPause = time.Hour

// Alarm tells the administrators of a cause inside the transaction in which it
// came up. Lines hold ids and counts, never content. Within an hour of the last
// mail it is only counted; what was counted is told when the hour is over.
func (d *Desk) Alarm(tx *db.Tx, cause string, lines ...string) error {
	told, since, err := alarmRow(tx, cause)
	if err != nil {
		return err
	}
	now := tx.Now()
	if !told.IsZero() && now.Before(told.Add(alarmPause)) {
		if err := saveAlarm(tx, cause, told, since+1, lines); err != nil {
			return err
		}
		return d.Queue.Schedule(tx, kindAlarm, cause, told.Add(alarmPause))
	}
	return d.tellAlarm(tx, cause, since, lines, now)
}

// RaiseAlarm is Alarm for causes that belong to no transaction.
func (d *Desk) RaiseAlarm(ctx context.Context, cause string, lines ...string) error {
	err := d.db.Write(ctx, func(tx *db.Tx) error { return d.Alarm(tx, cause, lines...) })
	d.Queue.Wake()
	return err
}

// PeopleFileBad is what Roster.Run is given: administrators hear of a people
// file that could not be taken over.
func (d *Desk) PeopleFileBad(ctx context.Context, problem error) {
	lines := strings.Split(problem.Error(), "\n")
	if err := d.RaiseAlarm(ctx, CausePeopleFile, lines[:min(len(lines), 20)]...); err != nil {
		d.Log.ErrorContext(ctx, "alarm not raised", "cause", CausePeopleFile, "error", err)
	}
}

func alarmRow(tx *db.Tx, cause string) (told time.Time, since int, err error) {
	var us int64
	err = tx.QueryRow(`SELECT told_at, since FROM alarm WHERE cause = $1`, cause).Scan(&us, &since)
	if db.IsNoRows(err) {
		return time.Time{}, 0, nil
	}
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("alarm %s: %w", cause, err)
	}
	return db.Time(us), since, nil
}

func saveAlarm(tx *db.Tx, cause string, told time.Time, since int, lines []string) error {
	text, err := json.Marshal(lines)
	if err != nil {
		return fmt.Errorf("alarm %s: %w", cause, err)
	}
	_, err = tx.Exec(`INSERT INTO alarm (cause, told_at, since, detail) VALUES ($1, $2, $3, $4)
		ON CONFLICT (cause) DO UPDATE SET told_at = excluded.told_at, since = excluded.since, detail = excluded.detail`,
		cause, db.Micros(told), since, string(text))
	if err != nil {
		return fmt.Errorf("alarm %s: %w", cause, err)
	}
	return nil
}

func (d *Desk) tellAlarm(tx *db.Tx, cause string, since int, lines []string, now time.Time) error {
	for i, s := range lines {
		lines[i] = oneLine(s)
	}
	admins := d.admins(d.People.Book())
	if len(admins) == 0 {
		d.Log.Warn("an alarm finds no administrator with an address", "cause", cause)
	}
	for _, p := range admins {
		n := notice{Cause: cause, Earlier: since, Lines: lines, At: now, URL: d.BaseURL + "/"}
		if err := d.post(tx, d.reader(p.Address), noteAlarm, n, posting{}); err != nil {
			return err
		}
	}
	return saveAlarm(tx, cause, now, 0, lines)
}

// alarmWork tells what came up in the hour after the last mail.
func (d *Desk) alarmWork(ctx context.Context, cause string) (again time.Time, err error) {
	err = d.db.Write(ctx, func(tx *db.Tx) error {
		again = time.Time{}
		told, since, err := alarmRow(tx, cause)
		if err != nil || since == 0 {
			return err
		}
		if due := told.Add(alarmPause); tx.Now().Before(due) {
			again = due
			return nil
		}
		var detail string
		if err := tx.QueryRow(`SELECT detail FROM alarm WHERE cause = $1`, cause).Scan(&detail); err != nil {
			return err
		}
		var lines []string
		if err := json.Unmarshal([]byte(detail), &lines); err != nil {
			return err
		}
		return d.tellAlarm(tx, cause, since-1, lines, tx.Now())
	})
	return again, err
}
