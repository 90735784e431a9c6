package tnef

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/sekisho-mail/sekisho/internal/rtf"
)

func attribute(level byte, id uint32, value []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{level}, id)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	return append(append(b, value...), 0, 0)
}

// property is one MAPI property of a variable length.
func property(kind, id uint16, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, kind)
	b = binary.LittleEndian.AppendUint16(b, id)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	return append(append(b, value...), make([]byte, -len(value)&3)...)
}

func list(of ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(of)))
	for _, p := range of {
		b = append(b, p...)
	}
	return b
}

func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s + "\x00")) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// stored is Rich Text in the form without compression.
func stored(text string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(text)+12))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = binary.LittleEndian.AppendUint32(b, rtfStored)
	return append(append(b, 0, 0, 0, 0), text...)
}

func container(attributes ...[]byte) []byte {
	b := []byte("\x78\x9f\x3e\x22\x01\x00")
	for _, a := range attributes {
		b = append(b, a...)
	}
	return b
}

func sample() []byte {
	return container(
		attribute(1, 0x00069007, []byte{0xa4, 0x03, 0, 0, 0, 0, 0, 0}),
		attribute(1, 0x00078004, []byte("\x8c\xa9\x90\xcf\x00")),
		attribute(1, 0x00069003, list(property(0x102, propRTF, stored(`{\rtf1\ansi\ansicpg932 {\fonttbl x;}{\*\generator y;}\'8d\'b2\'93\'a1\par {\v secret}bye}`)))),
		attribute(2, 0x00069002, make([]byte, 14)),
		attribute(2, 0x00018010, []byte("MITSUM~1.PDF\x00")),
		attribute(2, 0x0006800f, []byte("%PDF-1.7 body")),
		attribute(2, 0x00069005, list(property(0x1f, propLongName, wide("見積書.pdf")))),
		attribute(2, 0x00069002, make([]byte, 14)),
		attribute(2, 0x00018010, []byte("a.txt\x00")),
		attribute(2, 0x0006800f, []byte("hello")),
	)
}

func TestAContainerGivesItsFilesByTheirLongNamesAndItsTexts(t *testing.T) {
	c, err := Decode(sample())
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject != "見積" || c.Page != "shift_jis" {
		t.Errorf("subject %q, page %q", c.Subject, c.Page)
	}
	if len(c.Files) != 2 || c.Files[0].Name != "見積書.pdf" || string(c.Files[0].Data) != "%PDF-1.7 body" ||
		c.Files[1].Name != "a.txt" || string(c.Files[1].Data) != "hello" {
		t.Errorf("files %+v", c.Files)
	}
	b, err := ExpandRTF(c.RTF)
	if got := strings.TrimSpace(rtf.Shown(b)); err != nil || got != "佐藤\nbye" {
		t.Errorf("body %q, %v", got, err)
	}
}

func TestADamagedContainerIsAnErrorWithWhatStandsBefore(t *testing.T) {
	whole := sample()
	for cut := range len(whole) {
		if c, err := Decode(whole[:cut]); err == nil && cut > 6 && len(c.Files) == 2 {
			t.Errorf("cut at %d of %d is taken for whole", cut, len(whole))
		}
	}
	c, err := Decode(whole[:len(whole)-3])
	if err == nil || len(c.Files) != 1 {
		t.Errorf("%d files, %v", len(c.Files), err)
	}
}

func TestObjectsOfOutlookAreNoFiles(t *testing.T) {
	object := append(make([]byte, 16), sample()...)
	c, err := Decode(container(attribute(2, 0x00069002, make([]byte, 14)), attribute(2, 0x00069005, list(property(typeObject, propData, object)))))
	if err != nil || len(c.Files) != 1 || !c.Files[0].Object || !Is(c.Files[0].Data) {
		t.Errorf("%+v, %v", c.Files, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _ := Decode(b)
		size := 0
		for _, file := range c.Files {
			size += len(file.Data)
		}
		if size > len(b) {
			t.Errorf("%d bytes of files in %d", size, len(b))
		}
		if out, err := ExpandRTF(c.RTF); err == nil {
			rtf.Shown(out)
		}
	})
}
