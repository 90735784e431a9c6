package linkify

import (
	"testing"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

func TestAddressesThatSeveralPeopleReadAreKnownByTheirNames(t *testing.T) {
	for a, want := range map[mailaddr.Address]bool{
		"info@b.example": true, "Sales-Tokyo@b.example": true, "project-ml@b.example": true, "eigyo2@b.example": true, "all.staff@b.example": true,
		"t.yamada@b.example": false, "informatics@b.example": false, "mlee@b.example": false, "2024@b.example": false, "-@b.example": false, "": false,
		"yamada+info.x@b.example": false,
	} {
		if readByMany(a) != want {
			t.Errorf("%s: %v", a, !want)
		}
	}
}
