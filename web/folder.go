package web

import (
	"context"
	"net/http"

	tus "github.com/tus/tusd/v2/pkg/handler"

	"github.com/sekisho-mail/sekisho/linkify"
)

// folderPage is what whoever was asked for files sees.
type folderPage struct {
	linkify.FolderPage
	Path string
	Lang string
	Done bool
}

// uploadRoutes are what the portal's listener answers below /u/.
func (p *portal) uploadRoutes() []route {
	return []route{
		{method: get, path: "/u/:token", need: anyone, do: p.folder},
		{method: post, path: "/u/:token/done", need: anyone, do: p.folderDone},
		{method: post, path: "/u/:token/files", need: anyone, uploads: true, streams: true,
			do: p.upload(func(h *tus.UnroutedHandler) http.HandlerFunc { return h.PostFile })},
		{method: http.MethodHead, path: "/u/:token/files/:file", need: anyone, streams: true,
			do: p.upload(func(h *tus.UnroutedHandler) http.HandlerFunc { return h.HeadFile })},
		{method: http.MethodPatch, path: "/u/:token/files/:file", need: anyone, uploads: true, streams: true,
			do: p.upload(func(h *tus.UnroutedHandler) http.HandlerFunc { return h.PatchFile })},
		{method: http.MethodDelete, path: "/u/:token/files/:file", need: anyone,
			do: p.upload(func(h *tus.UnroutedHandler) http.HandlerFunc { return h.DelFile })},
	}
}

// folder shows what is asked for, by whom, and what this browser has put in. It changes nothing.
func (p *portal) folder(ctx context.Context, r *Request) (Response, error) {
	f, err := p.Links.OpenFolder(ctx, r.Param("token"), p.who(r))
	if err != nil {
		return nil, err
	}
	body := folderPage{FolderPage: f, Path: "/u/" + r.Param("token"), Done: r.Query("step") == "done"}
	if r.Query("lang") != "" {
		body.Lang = string(r.Lang)
	}
	pg := &page{name: "folder", body: body, script: true, frame: frame{
		Title: p.words.Text(r.Lang, "title.folder"), Company: p.Company.Name, Portal: true, Narrow: true, Now: r.Now, Back: body.Path,
		Script: "upload.js",
	}}
	switch f.State {
	case linkify.FolderUnknown:
		return nil, linkify.ErrNotFound
	case linkify.FolderClosed, linkify.FolderExpired:
		pg.code = codeGone
	}
	return pg, nil
}

// folderDone tells the owner without a pause.
func (p *portal) folderDone(ctx context.Context, r *Request) (Response, error) {
	if err := p.Links.Done(ctx, r.Param("token"), p.who(r)); err != nil {
		return nil, err
	}
	to := "/u/" + r.Param("token") + "?step=done"
	if l := r.Form("lang"); l == "ja" || l == "en" {
		to += "&lang=" + l
	}
	return &seeOther{to: to}, nil
}
