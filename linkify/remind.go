package linkify

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// Letters about links: to recipients before the end, to owners about downloads and about links that somebody wants
// open again. A portal writes none: it leaves due work to the nodes that can.

// Kinds of due work. The reference is a link; that of WorkDigest is the owner's address in its look-up form.
const (
	WorkRemind = "link.remind"
	WorkAsk    = "link.ask"
	WorkDigest = "link.digest"
)

// Receipts says how owners hear of downloads.
type Receipts string

// Nobody hears of plain success unless the company wants it.
const (
	NoReceipts    Receipts = "none"
	EachReceipt   Receipts = "each"  // soon, one letter for what was taken together
	DailyReceipts Receipts = "daily" // one letter on the next morning
)

// digestHour is when daily letters are written, in the company's zone.
const digestHour = 9

// scheduleReminder puts the reminder of an active link where it belongs. A link too short for one gets none.
func (l *Links) scheduleReminder(tx *db.Tx, r row) error {
	at := r.expires.Add(-l.o.Remind)
	if l.o.Remind <= 0 || !r.reminded.IsZero() || at.Before(tx.Now().Add(12*time.Hour)) {
		return nil
	}
	return l.o.Schedule(tx, WorkRemind, r.id, at)
}

// Remind handles due work of kind WorkRemind: once, before a link ends with files that nobody took, its recipient
// gets a letter. A scanner that opened the page took nothing.
func (l *Links) Remind(ctx context.Context, link string) (again time.Time, err error) {
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		again = time.Time{}
		r, err := rowByID(tx, link)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.stateAt(tx.Now()) != Active || !r.reminded.IsZero() {
			return nil
		}
		if at := r.expires.Add(-l.o.Remind); at.After(tx.Now()) { // extended meanwhile
			again = at
			return nil
		}
		p, err := l.plan(r)
		if err != nil {
			return err
		}
		open, err := untaken(tx, link, p.ViewOnly)
		if err != nil || open == 0 {
			return err
		}
		letter, err := l.reminder(r, open, p.ViewOnly)
		if err != nil {
			return err
		}
		if err := l.o.Post(tx, letter); err != nil {
			return err
		}
		n, err := tx.Exec(`UPDATE link SET reminded_at = $1, version = version + 1 WHERE id = $2 AND version = $3`, db.Micros(tx.Now()), link, r.version)
		if err := lost(n, err); err != nil {
			return err
		}
		return record(tx, System, "link.remind", r.message, r.recipient, r.id, nil)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("remind of link %s: %w", link, err)
	}
	return again, nil
}

// untaken counts the files of a link that nobody has whole or, where they are for looking only, nobody has seen.
func untaken(tx *db.Tx, link string, viewOnly bool) (n int64, err error) {
	query := `SELECT COUNT(*) FROM link_content WHERE link = $1 AND taken = 0`
	if viewOnly {
		query += ` AND viewed = 0`
	}
	err = tx.QueryRow(query, link).Scan(&n)
	return n, err
}

func (l *Links) reminder(r row, open int64, viewOnly bool) (Letter, error) {
	who, err := l.about(r)
	if err != nil {
		return Letter{}, err
	}
	token, err := l.token(r.keyID, r.id, r.generation)
	if err != nil {
		return Letter{}, err
	}
	n, address, end := strconv.FormatInt(open, 10), l.o.address(token), r.expires.In(l.o.Zone)
	from := signature(who)
	ja, en := "がまだダウンロードされていません。", " have not been downloaded yet. They are available until "
	if viewOnly {
		ja, en = "をまだご覧いただいていません。", " have not been looked at yet. They can be until "
	}
	text := from + " からお送りした添付ファイルのうち、" + n + " 件" + ja + "\n\n" +
		address + "\n期限： " + DateTimeText(end) + " まで\n\n" +
		"ご不要の場合は、このメールを破棄してください。ファイルについては、差出人 " + string(who.From) + " へお問い合わせください。\n" +
		"\n---\n" + n + " file(s) from " + string(who.From) + en + englishDate(end) + ".\n"
	return Letter{To: who.Address, Subject: "【期限のお知らせ】添付ファイルの受け取り / Files still waiting for you", Text: text, Kind: "reminder", Message: r.message}, nil
}

// signature is who a letter is about, as the mail itself showed them.
func signature(who about) string {
	from := string(who.From)
	if name := cleanLine(who.FromName); name != "" {
		from = name + " <" + from + ">"
	}
	if who.Company != "" {
		from = cleanLine(who.Company) + " " + from
	}
	return from
}

// told notes that the owner is to hear of a download, in the transaction that counts it.
func (l *Links) told(tx *db.Tx, r row) error {
	switch l.o.Receipts {
	case EachReceipt:
		return l.o.Schedule(tx, WorkDigest, r.person, tx.Now().Add(5*time.Minute)) // its other files follow in a moment
	case DailyReceipts:
		return l.o.Schedule(tx, WorkDigest, r.person, nextMorning(tx.Now(), l.o.Zone))
	}
	return nil
}

func nextMorning(now time.Time, zone *time.Location) time.Time {
	d := now.In(zone)
	at := time.Date(d.Year(), d.Month(), d.Day(), digestHour, 0, 0, 0, zone)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at
}

// linksInDigest bounds one letter; the page has all.
const linksInDigest = 50

// Digest handles due work of kind WorkDigest: one letter to an owner about every link that was used since the last.
func (l *Links) Digest(ctx context.Context, person string) (again time.Time, err error) {
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		rows, err := untold(tx, person)
		if err != nil || len(rows) == 0 {
			return err
		}
		letter, err := l.digestLetter(tx, rows)
		if err != nil {
			return err
		}
		if err := l.o.Post(tx, letter); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE link SET told_at = $1 WHERE person = $2 AND (last_taken > told_at OR last_viewed > told_at)`, db.Micros(tx.Now()), person)
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("tell of downloads: %w", err)
	}
	return time.Time{}, nil
}

func untold(tx *db.Tx, person string) ([]row, error) {
	rows, err := tx.Query(`SELECT `+rowColumns+` FROM link WHERE person = $1 AND (last_taken > told_at OR last_viewed > told_at) ORDER BY id LIMIT $2`, person, linksInDigest+1)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

func (l *Links) digestLetter(tx *db.Tx, rows []row) (Letter, error) {
	var to mailaddr.Address
	var ja, en strings.Builder
	for i, r := range rows {
		if i == linksInDigest {
			ja.WriteString("・ほか\n")
			en.WriteString("- and more\n")
			break
		}
		who, err := l.about(r)
		if err != nil {
			return Letter{}, err
		}
		open, err := untaken(tx, r.id, false)
		if err != nil {
			return Letter{}, err
		}
		to = who.Person
		last := r.lastTaken
		if r.lastViewed.After(last) {
			last = r.lastViewed
		}
		seen, looked := "", ""
		if r.viewed > 0 {
			seen, looked = fmt.Sprintf("、閲覧 %d 回", r.viewed), fmt.Sprintf(", looked at %d time(s)", r.viewed)
		}
		at := DateTimeText(last.In(l.o.Zone))
		fmt.Fprintf(&ja, "・%s 宛て： %d 件中 %d 件%s（最終 %s）\n　%s/messages/%s/links\n", who.Address, r.files, r.files-open, seen, at, l.o.Staff, r.message)
		fmt.Fprintf(&en, "- link of %s: %d of %d file(s)%s\n", who.Address, r.files-open, r.files, looked)
	}
	text := "リンクでお送りした添付ファイルがダウンロードまたは閲覧されました。\n\n" + ja.String() +
		"\nリンクは転送されることもあるため、宛先の本人が受け取ったとは限りません。\n" +
		"\n---\nFiles that you sent as links were downloaded or looked at:\n" + en.String()
	return Letter{To: to, Subject: "添付ファイルの受け取り状況 / Your files were downloaded", Text: text, Kind: "receipt"}, nil
}

// AskAgain lets whoever holds an expired link ask its owner to open it again. Call it from POST only. It can be done
// once a day for a link, and says nothing about anybody.
func (l *Links) AskAgain(ctx context.Context, token string, v Visitor) error {
	err := l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := rowByToken(tx, token)
		if err != nil {
			return err
		}
		if r.stateAt(tx.Now()) != Expired {
			return r.usable(tx.Now())
		}
		if err := l.limit(tx, askFromNetwork, network(v.Address)); err != nil {
			return err
		}
		if err := l.limit(tx, askOfLink, r.id); err != nil {
			return err
		}
		if err := l.o.Schedule(tx, WorkAsk, r.id, tx.Now()); err != nil {
			return err
		}
		return record(tx, visitor, "link.ask", r.message, r.recipient, r.id, map[string]string{"ip": plainIP(v.Address)})
	})
	if err != nil {
		return fmt.Errorf("ask for a link: %w", err)
	}
	return nil
}

// Asked handles due work of kind WorkAsk: the letter to the owner.
func (l *Links) Asked(ctx context.Context, link string) (again time.Time, err error) {
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := rowByID(tx, link)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil || r.stateAt(tx.Now()) != Expired {
			return err
		}
		// Above what a portal allows, as with codes: it stops one in the wrong hands.
		var wait *WaitError
		if err := l.limit(tx, askLetter, r.id); errors.As(err, &wait) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE link SET asked_at = $1 WHERE id = $2`, db.Micros(tx.Now()), r.id); err != nil {
			return err
		}
		who, err := l.about(r)
		if err != nil {
			return err
		}
		whole, err := filesStored(tx, r.id)
		if err != nil {
			return err
		}
		return l.o.Post(tx, l.askLetter(r, who, whole))
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("tell of a request for link %s: %w", link, err)
	}
	return time.Time{}, nil
}

func (l *Links) askLetter(r row, who about, whole bool) Letter {
	page := l.o.Staff + "/messages/" + r.message + "/links"
	ja := "期限の切れたリンク（" + string(who.Address) + " 宛て、" + strconv.FormatInt(r.files, 10) + " 件）を、もう一度使えるようにしてほしいという依頼がありました。\n\n"
	en := "Somebody with the expired link of " + string(who.Address) + " asks you to open it again.\n"
	if whole {
		ja += "次のページで再送するか、期限を延ばせます。心当たりがなければ、何もする必要はありません。\n" + page + "\n"
		en += "You can send it again or extend it on this page. If you do not know why, do nothing.\n" + page + "\n"
	} else {
		ja += "ファイルはすでに削除されています。必要であれば、もう一度メールでお送りください。\n" + page + "\n"
		en += "The files have been deleted. Please send them anew if they are needed.\n" + page + "\n"
	}
	return Letter{To: who.Person, Subject: "リンクの再公開の依頼 / Please open a link again", Text: ja + "\n---\n" + en, Kind: "ask", Message: r.message}
}
