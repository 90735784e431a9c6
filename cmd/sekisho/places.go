package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

// namedPlaces is how many places of one reason a notice names; the page shows them with their excerpts.
const namedPlaces = 3

// placesOf says where that lies which the reasons of a verdict speak of: files and cells, never a value.
func placesOf(report *dlp.Report, v policy.RecipientVerdict) []approval.Place {
	reasons := slices.Clone(v.Reasons)
	for _, t := range v.Told {
		reasons = append(reasons, t.Reasons...)
	}
	var out []approval.Place
	var done []string
	for _, r := range reasons {
		detector, ok := strings.CutPrefix(r.Code, "content:")
		if !ok || report == nil || slices.Contains(done, r.Code) {
			continue
		}
		done = append(done, r.Code)
		out = append(out, firstPlaces(r.Code, matchesOf(report, detector))...)
	}
	return out
}

// matchesOf are a detector's, the surest first. What no rule of the usual kind counts is left out unless there is
// nothing else.
func matchesOf(report *dlp.Report, detector string) []dlp.Match {
	var sure, low []dlp.Match
	for _, f := range report.Findings {
		switch {
		case f.Detector != detector:
		case f.Level >= dlp.Medium:
			sure = append(sure, f.Matches...)
		default:
			low = append(low, f.Matches...)
		}
	}
	if len(sure) > 0 {
		return sure
	}
	return low
}

func firstPlaces(code string, matches []dlp.Match) []approval.Place {
	var out []approval.Place
	for _, m := range matches {
		p := placeIn(code, m)
		switch {
		case slices.Contains(out, p):
		case len(out) == namedPlaces:
			out[namedPlaces-1].More = true
			return out
		default:
			out = append(out, p)
		}
	}
	return out
}

var (
	cellName   = regexp.MustCompile(`^(?:(.*)!)?([A-Z]{1,3}[0-9]{1,7})$`)
	pageNumber = regexp.MustCompile(`^[0-9]{1,5}$`)
)

// placeIn takes a path of detection apart: "data.zip!/名簿.xlsx#会員!C12". Names may hold the same signs; what does not
// look like a cell or a page is left as it stands.
func placeIn(code string, m dlp.Match) approval.Place {
	switch m.Where {
	case dlp.InHeader:
		return approval.Place{Code: code, Part: approval.PlaceHeader, File: m.Path}
	case dlp.InBody:
		return approval.Place{Code: code, Part: approval.PlaceBody}
	}
	p := approval.Place{Code: code, Part: approval.PlaceFile}
	path := m.Path
	if i := strings.LastIndexByte(path, '#'); i > 0 {
		inside := path[i+1:]
		switch cell := cellName.FindStringSubmatch(inside); {
		case cell != nil:
			path, p.Sheet, p.Cell = path[:i], cell[1], cell[2]
		case pageNumber.MatchString(inside):
			path, p.Page = path[:i], inside
		}
	}
	outer, inner, nested := strings.Cut(path, "!/")
	if !nested {
		p.File = path
		return p
	}
	p.Outer, p.File = outer, inner[strings.LastIndex("!/"+inner, "!/"):]
	return p
}
