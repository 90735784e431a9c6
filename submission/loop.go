package submission

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/internal/seal"
)

// LoopName is the field by which we know a mail that has been here before. It is put into mail that goes back to where
// a gateway source could send it to us again, and taken out of all mail that comes in.
const LoopName = "X-Sekisho-Loop"

const (
	loopPurpose = "loop header"
	// loopAge is how long a mark counts from the acceptance of the mail: as long as it may be held (two weeks of
	// working days) and queued on its way round. A person who sends an older mail once more closes no circle.
	loopAge = 30 * 24 * time.Hour
)

// LoopField is the whole header line (with its line end) that marks a mail as having passed us.
func LoopField(keys *seal.Keys, id string, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := keys.MAC(loopPurpose, id, stamp)
	return fmt.Sprintf("%s: v1 %s %s %s %s\r\n", LoopName, keys.CurrentID(), id, stamp, hex.EncodeToString(mac[:16]))
}

// passedBefore says whether the mail carries a mark of ours. Others' are nothing to us: anybody may write the field,
// and nobody may stop somebody else's mail with it. Mail that a person or an inbox rule sends on to somebody else
// (Resent-From, RFC 5322 section 3.6.6) comes by rightly once more: only a mark from after its Resent-Date closes a
// circle. Where it has no such date and goes round, its hops are counted.
func (s *Server) passedBefore(h *header, now time.Time) bool {
	oldest := now.Add(-loopAge)
	if h.has("Resent-From") {
		resent, err := netmail.ParseDate(h.get("Resent-Date")) // the newest stands first
		if err != nil {
			return false
		}
		if resent.After(oldest) {
			oldest = resent
		}
	}
	for _, v := range h.all(LoopName) {
		if s.marked(v, oldest) {
			return true
		}
	}
	return false
}

// marked says whether a value is a mark of ours from after a time.
func (s *Server) marked(value string, oldest time.Time) bool {
	f := strings.Fields(value)
	if s.o.Keys == nil || len(f) != 5 || f[0] != "v1" {
		return false
	}
	seconds, err := strconv.ParseInt(f[3], 10, 64)
	if err != nil || !time.Unix(seconds, 0).After(oldest) {
		return false
	}
	mac, err := hex.DecodeString(f[4])
	if err != nil || len(mac) != 16 {
		return false
	}
	want, err := s.o.Keys.MACWith(f[1], loopPurpose, f[2], f[3])
	return err == nil && hmac.Equal(mac, want[:16])
}
