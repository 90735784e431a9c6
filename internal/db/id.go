package db

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// crockford leaves out i, l, o and u, which people misread on the telephone.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes an identifier of 26 characters: 48 bits of milliseconds, then 80 random bits, so that ids of
// rows made later sort later and an index on them grows at one end only.
func NewID() string { return newID(time.Now()) }

func newID(at time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMilli())<<16)
	rand.Read(b[6:]) // never fails (crypto/rand since Go 1.24)
	return crockford.EncodeToString(b[:])
}

// ValidID says whether s has the form of an identifier, for input from outside.
func ValidID(s string) bool {
	if len(s) != 26 {
		return false
	}
	_, err := crockford.DecodeString(s)
	return err == nil
}

// Micros is the form in which a time is kept: microseconds since 1970 UTC. The zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the inverse of Micros.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Bool is the form in which a truth value is kept (0 or 1): BIGINT is the one integer type of both engines.
func Bool(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
