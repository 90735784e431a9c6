package submission

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
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
	// loopAge is how long a mark counts. A circle closes in minutes, or in days where the next hop queues; a
	// person who sends an old mail once more closes none.
	loopAge = 48 * time.Hour
)

// LoopField is the whole header line (with its line end) that marks a mail as having passed us.
func LoopField(keys *seal.Keys, id string, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := keys.MAC(loopPurpose, id, stamp)
	return fmt.Sprintf("%s: v1 %s %s %s %s\r\n", LoopName, keys.CurrentID(), id, stamp, hex.EncodeToString(mac[:16]))
}

// passedBefore says whether one of the field's values is a mark of ours. Others' are nothing to us: anybody may write
// the field, and nobody may stop somebody else's mail with it.
func (s *Server) passedBefore(values []string, now time.Time) bool {
	for _, v := range values {
		if s.marked(v, now) {
			return true
		}
	}
	return false
}

func (s *Server) marked(value string, now time.Time) bool {
	f := strings.Fields(value)
	if s.o.Keys == nil || len(f) != 5 || f[0] != "v1" {
		return false
	}
	seconds, err := strconv.ParseInt(f[3], 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)) > loopAge {
		return false
	}
	mac, err := hex.DecodeString(f[4])
	if err != nil || len(mac) != 16 {
		return false
	}
	want, err := s.o.Keys.MACWith(f[1], loopPurpose, f[2], f[3])
	return err == nil && hmac.Equal(mac, want[:16])
}
