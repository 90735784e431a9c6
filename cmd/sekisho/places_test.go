package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/cmd/sekisho/internal/demo"
	"github.com/sekisho-mail/sekisho/submission/dlp"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

func TestPathsOfDetectionAreTakenApart(t *testing.T) {
	file := func(p approval.Place) approval.Place {
		p.Code, p.Part = "c", approval.PlaceFile
		return p
	}
	for path, want := range map[string]approval.Place{
		"名簿.xlsx":                     {File: "名簿.xlsx"},
		"名簿.xlsx#会員!C12":              {File: "名簿.xlsx", Sheet: "会員", Cell: "C12"},
		"list.csv#B7":                 {File: "list.csv", Cell: "B7"},
		"data.zip!/名簿.xlsx#Sheet2!B7": {Outer: "data.zip", File: "名簿.xlsx", Sheet: "Sheet2", Cell: "B7"},
		"a.zip!/b.zip!/c/d.txt":       {Outer: "a.zip", File: "c/d.txt"},
		"契約.pdf#12":                   {File: "契約.pdf", Page: "12"},
		"議事録.docx#comments":           {File: "議事録.docx#comments"},
		"見積#3.pdf":                    {File: "見積#3.pdf"},
		"見積#3.pdf#2":                  {File: "見積#3.pdf", Page: "2"},
		"案#A1.xlsx#売上!予定!AB12":        {File: "案#A1.xlsx", Sheet: "売上!予定", Cell: "AB12"},
		"#1":                          {File: "#1"},
		"":                            {},
		"a.xlsx#Sheet1!ABCD1":         {File: "a.xlsx#Sheet1!ABCD1"},
		"x!/":                         {Outer: "x"},
		"winmail.dat!/2!/名簿.csv#個人!番!C1": {Outer: "winmail.dat", File: "名簿.csv", Sheet: "個人!番", Cell: "C1"},
	} {
		if got := placeIn("c", dlp.Match{Where: dlp.InAttachment, Path: path}); got != file(want) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if got := placeIn("c", dlp.Match{Where: dlp.InBody, Path: "1.2"}); got != (approval.Place{Code: "c", Part: approval.PlaceBody}) {
		t.Errorf("%+v", got)
	}
	if got := placeIn("c", dlp.Match{Where: dlp.InHeader, Path: "Subject"}); got != (approval.Place{Code: "c", Part: approval.PlaceHeader, File: "Subject"}) {
		t.Errorf("%+v", got)
	}
}

func TestThreePlacesOfEachReasonAreNamed(t *testing.T) {
	in := func(paths ...string) (all []dlp.Match) {
		for _, p := range paths {
			m := dlp.Match{Where: dlp.InAttachment, Path: p, Excerpt: "1234-****"}
			if p == "1" {
				m.Where = dlp.InBody
			}
			all = append(all, m)
		}
		return all
	}
	report := &dlp.Report{Findings: []dlp.Finding{
		{Detector: "jp.my_number", Level: dlp.High, Matches: in("1", "1", "a.txt")},
		{Detector: "jp.my_number", Level: dlp.Medium, Matches: in("b.txt", "c.txt", "d.txt")},
		{Detector: "jp.my_number", Level: dlp.Low, Matches: in("low.txt")},
		{Detector: "jp.phone", Level: dlp.Low, Matches: in("low.txt")},
		{Detector: "iban", Level: dlp.High, Matches: in("other.txt")},
	}}
	v := policy.RecipientVerdict{Reasons: []policy.Reason{{Rule: "a", Code: "content:jp.my_number"}, {Rule: "b", Code: "content:jp.my_number"}, {Code: "external_domains_over"}},
		Told: []policy.Told{{Reasons: []policy.Reason{{Code: "content:jp.phone"}}}}}
	const mine = "content:jp.my_number"
	want := []approval.Place{
		{Code: mine, Part: approval.PlaceBody}, {Code: mine, Part: approval.PlaceFile, File: "a.txt"}, {Code: mine, Part: approval.PlaceFile, File: "b.txt", More: true},
		{Code: "content:jp.phone", Part: approval.PlaceFile, File: "low.txt"},
	}
	if got := placesOf(report, v); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := placesOf(nil, v); got != nil {
		t.Errorf("without a report: %+v", got)
	}
}

// The whole way: a workbook in a mail, and the cell in the question.
func TestAQuestionNamesTheCell(t *testing.T) {
	h := testHouse(t, string(policy.Factory()))
	samples := demo.Samples()
	i := slices.IndexFunc(samples, func(s demo.Sample) bool { return len(s.Files) > 0 && s.Files[0].Name == "名簿.xlsx" })
	_, text, _ := strings.Cut(string(samples[i].Bytes("alice@corp.example", "佐藤 花子", time.Now())), "MIME-Version")
	h.submit("alice@corp.example", "roster", "MIME-Version"+text, "b@other.example")
	subject, body := h.gets("question", "manager@corp.example")
	if !strings.Contains(body, "個人番号 2 件（確度 高）が社外宛てに含まれています（名簿.xlsx 会員シート C2・C3）\n") {
		t.Errorf("the question says\n%s", body)
	}
	for _, secret := range []string{"4812", "5179", "3057"} {
		if strings.Contains(subject+body, secret) {
			t.Errorf("the question shows %s", secret)
		}
	}
}
