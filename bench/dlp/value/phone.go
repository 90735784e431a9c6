package value

import (
	"math/rand/v2"
	"strings"
)

// areas are area codes of the Japanese number plan (総務省 市外局番の一覧); with
// the exchange they make six digits.
const areas = `3 3 3 6 6 11 15 17 18 19 22 23 24 25 26 27 28 29 42 43 44 45 46 47 48 49 52 53 54 55 58 59 72 73 75 76 77 78 79 82 83 84 86 87 88
89 92 93 95 96 97 98 99 123 138 144 154 155 157 166 172 178 184 191 192 220 225 229 233 234 238 242 246 248 254 256 258 259 261 263 265 266 267
268 270 274 276 277 279 280 282 283 284 285 287 288 289 294 297 299 422 428 438 439 460 463 465 466 467 470 475 476 478 479 480 493 494 495 532
536 537 538 544 545 547 548 550 551 553 554 555 556 558 561 562 563 564 565 566 567 568 569 572 573 574 575 576 577 581 584 585 586 587 594 595
596 597 598 599 721 725 735 736 737 738 739 740 742 743 744 745 746 747 748 749 761 763 765 766 767 768 770 771 772 773 774 776 778 779 790 791
794 795 796 797 798 799 820 823 824 826 827 829 833 834 835 836 837 838 845 846 847 848 852 853 854 855 856 857 858 859 863 865 866 867 868 869
875 877 879 880 883 884 885 887 889 892 893 894 895 896 897 898 920 930 940 942 943 944 946 947 948 949 950 952 954 955 956 957 959 964 965 966
967 968 969 972 973 974 977 978 979 980 982 983 984 985 986 987 993 994 995 996 997`

// Landline is a subscriber's number: area, exchange, number.
func Landline(r *rand.Rand) []string {
	all := strings.Fields(areas)
	area := all[r.IntN(len(all))]
	exchange := string(rune('2'+r.IntN(8))) + Digits(r, 4-len(area))
	return []string{"0" + area, exchange, unremarkable(r)}
}

// Mobile is a number of a telephone that people carry.
func Mobile(r *rand.Rand) []string {
	return []string{pick(r, "090", "080", "070"), string(rune('1'+r.IntN(9))) + Digits(r, 3), unremarkable(r)}
}

// IPPhone is a 050 number.
func IPPhone(r *rand.Rand) []string {
	return []string{"050", pick(r, "3", "5", "6", "7") + Digits(r, 3), unremarkable(r)}
}

// TollFree is a company's number that costs the caller nothing.
func TollFree(r *rand.Rand) []string { return []string{"0120", Digits(r, 3), Digits(r, 3)} }

// unremarkable digits are not the 0000, 1234 and 5678 of samples.
func unremarkable(r *rand.Rand) string {
	for {
		d := Digits(r, 4)
		if d != "1234" && d != "5678" && d[0] != d[1] {
			return d
		}
	}
}
