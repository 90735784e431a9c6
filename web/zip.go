package web

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/linkify"
)

// bundle answers the button "all in one file": the ticked files, or all, as a ZIP made on the way out.
func (p *portal) bundle(ctx context.Context, r *Request) (Response, error) {
	who, cookies := p.known(r)
	token, wanted := r.Param("token"), r.FormAll("file")
	l, err := p.Links.Open(ctx, token, who)
	if err != nil {
		return nil, err
	}
	switch {
	case l.State != linkify.Active:
		return p.landing(ctx, r) // says so
	case !l.Passed:
		return p.again(ctx, r, linkify.ErrNeedCode)
	case l.ViewOnly:
		return p.again(ctx, r, linkify.ErrViewOnly)
	}
	ticked := map[string]bool{}
	for _, id := range wanted {
		ticked[id] = true
	}
	files := slices.DeleteFunc(slices.Clone(l.Files), func(f linkify.File) bool { return len(wanted) > 0 && !ticked[f.ID] })
	if len(files) == 0 {
		return nil, linkify.ErrNotFound
	}
	z := &zipStream{name: bundleName(p.Company.Name, r.Now), cookies: cookies}
	ids := make([]string, len(files))
	for i, f := range files {
		ids[i] = f.ID
	}
	if z.files, err = p.Links.Bundle(ctx, token, who, ids...); err != nil {
		return p.again(ctx, r, err)
	}
	for _, f := range files {
		z.entries = append(z.entries, zipEntry{file: f})
	}
	name(z.entries)
	return z, nil
}

func bundleName(company string, at time.Time) string {
	return strings.TrimSpace(company+" "+at.Format("2006-01-02")) + ".zip"
}

type zipEntry struct {
	file linkify.File
	name string
}

// name gives each entry a name that is safe to unpack and stands once, whatever case the disk of its reader knows.
func name(entries []zipEntry) {
	seen := map[string]int{} // the number that was given last to a name
	for i := range entries {
		clean := fileName(entries[i].file.Name)
		ext := path.Ext(clean)
		stem, first := strings.TrimSuffix(clean, ext), strings.ToLower(clean)
		for seen[strings.ToLower(clean)] > 0 {
			seen[first]++
			clean = fmt.Sprintf("%s (%d)%s", stem, seen[first], ext)
		}
		seen[strings.ToLower(clean)] = 1
		entries[i].name = clean
	}
}

type zipStream struct {
	files   *linkify.Bundle
	name    string
	entries []zipEntry
	cookies []*http.Cookie
}

// write streams the files one after the other, as they are: they are compressed already, most of them. Whatever fails
// in the middle breaks the connection off, so that half an archive never looks like a whole one.
func (z *zipStream) write(s *site, w http.ResponseWriter, r *Request) error {
	for _, c := range z.cookies {
		http.SetCookie(w, c)
	}
	h := w.Header()
	setSaved(h, z.name)
	h.Set("Content-Type", "application/zip")
	out := s.newPatient(w, func(int64) {})
	archive := zip.NewWriter(out)
	for _, e := range z.entries {
		if err := z.add(s, archive, e, r); err != nil {
			s.Log.Warn("archive of a link broken off", "file", e.file.ID, "error", err)
			panic(http.ErrAbortHandler)
		}
	}
	return archive.Close()
}

func (z *zipStream) add(s *site, archive *zip.Writer, e zipEntry, r *Request) error {
	c, err := z.files.Open(r.Context(), e.file.ID)
	if err != nil {
		return err
	}
	// UTF-8 names carry their flag; the time is that of storing, as everything else about the file is the sender's.
	f, err := archive.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Store, Modified: c.Stored.In(s.Company.Zone)})
	if err == nil {
		_, err = io.Copy(io.MultiWriter(f, delivered{c}), io.NewSectionReader(c, 0, c.Size))
	}
	if err == nil {
		err = archive.Flush()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), answerWithin)
	defer cancel()
	return errors.Join(err, c.Finish(ctx, err == nil && r.Context().Err() == nil), c.Close())
}

// delivered tells a content of what went out.
type delivered struct{ *linkify.Content }

func (d delivered) Write(b []byte) (int, error) {
	d.Delivered(int64(len(b)))
	return len(b), nil
}
