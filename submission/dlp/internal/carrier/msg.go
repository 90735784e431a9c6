package carrier

import (
	"encoding/binary"
	"strings"

	"github.com/sekisho-mail/sekisho/internal/message"
	"github.com/sekisho-mail/sekisho/internal/rtf"
	"github.com/sekisho-mail/sekisho/internal/tnef"
	"github.com/sekisho-mail/sekisho/submission/dlp/internal/detect"
)

// Properties of Outlook messages (MS-OXPROPS) by id.
const (
	propSubject     = "0037"
	propHeaders     = "007D"
	propBody        = "1000"
	propRTF         = "1009"
	propHTML        = "1013"
	propAttachData  = "3701"
	propAttachName  = "3704"
	propAttachLong  = "3707"
	propDisplayName = "3001"
)

// msg reads an Outlook message in storage dir: subject, bodies, attachments, and
// messages inside it.
func (w *Walk) msg(f file, c *compound, dir string) error {
	p := properties{c: c, dir: dir, page: msgCodePage(c.stream(dir, "__properties_version1.0"))}
	w.mapiText(f, p)
	for _, name := range c.order {
		rest, ok := strings.CutPrefix(name, dir+"__attach_version1.0_")
		if !ok || !strings.HasSuffix(rest, "/") || strings.Count(rest, "/") != 1 {
			continue
		}
		if err := w.over(); err != nil {
			return err
		}
		w.msgAttachment(f, c, name, p.page)
	}
	return nil
}

// properties finds values in a storage of a message.
type properties struct {
	c    *compound
	dir  string
	page string
}

// text is a string property, Unicode or in the code page.
func (p properties) text(id string) string {
	if b := p.c.stream(p.dir, "__substg1.0_"+id+"001F"); b != nil {
		return utf16LE(b)
	}
	if b := p.c.stream(p.dir, "__substg1.0_"+id+"001E"); b != nil {
		return message.DecodeText(b, p.page)[0]
	}
	return ""
}

func (p properties) binary(id string) []byte { return p.c.stream(p.dir, "__substg1.0_"+id+"0102") }

// mapiText searches what a message says, in all its forms.
func (w *Walk) mapiText(f file, p properties) {
	w.text(Text{Text: detect.Text{Body: p.text(propSubject)}, Where: Attachment, Path: f.path + "!/Subject", First: true})
	w.text(Text{Text: detect.Text{Body: p.text(propBody), Mail: true}, Where: Attachment, Path: f.path, First: true})
	html := p.binary(propHTML)
	if html == nil {
		html = []byte(p.text(propHTML))
	}
	w.mapiBodies(f, html, p.page, p.binary(propRTF))
}

// mapiBodies searches the HTML and the compressed RTF form of a message.
func (w *Walk) mapiBodies(f file, html []byte, page string, packed []byte) {
	if len(html) > 0 {
		g := file{name: f.name, path: f.path, body: html, label: page}
		if declared := htmlCharset(file{body: html}); declared != "" {
			g.label = declared
		}
		if err := w.htmlFile(g); err != nil {
			w.failed(f, err)
		}
	}
	if len(packed) > 0 {
		body, err := tnef.ExpandRTF(packed)
		if err == nil {
			err = w.rtf(file{name: f.name, path: f.path, body: body, depth: f.depth})
		}
		if err != nil {
			w.failed(f, err)
		}
	}
}

func (w *Walk) msgAttachment(f file, c *compound, dir, page string) {
	p := properties{c: c, dir: dir, page: page}
	name := firstNonEmpty(p.text(propAttachLong), p.text(propAttachName), p.text(propDisplayName), "attachment")
	if b := p.binary(propAttachData); b != nil {
		w.file(f.in(strings.TrimRight(name, "\x00"), b))
		return
	}
	inner := dir + "__substg1.0_" + propAttachData + "000D/"
	if c.stream(inner, "__properties_version1.0") != nil {
		g := f.in(firstNonEmpty(p.text(propDisplayName), "message")+".msg", nil)
		if g.depth > w.limits.Depth {
			w.failed(g, errDeep)
			return
		}
		if err := w.msg(g, c, inner); err != nil {
			w.failed(g, err)
		}
		return
	}
	if _, err := w.storage(f.in(name, nil), c, inner); err != nil {
		w.failed(f.in(name, nil), err)
	}
}

func firstNonEmpty(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// msgCodePage reads PR_MESSAGE_CODEPAGE or PR_INTERNET_CPID from the fixed
// properties; Japanese Windows is the guess where there is none.
func msgCodePage(b []byte) string {
	for _, header := range []int{32, 24, 8} {
		for i := header; i+16 <= len(b); i += 16 {
			tag := binary.LittleEndian.Uint32(b[i:])
			if tag == 0x3ffd0003 || tag == 0x3fde0003 {
				return rtf.CodePage(int(binary.LittleEndian.Uint32(b[i+8:]) & 0xffff))
			}
		}
	}
	return "shift_jis"
}
