package web

import (
	"context"
	"io/fs"
	"path"
)

// asset serves a file of assets/. Its address changes with its content, so
// browsers may keep it for ever.
func (s *site) asset(_ context.Context, r *Request) (Response, error) {
	name := r.Param("name")
	kind, known := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}[path.Ext(name)]
	body, err := fs.ReadFile(assetFiles, "assets/"+path.Base(name))
	if !known || err != nil {
		return nil, errNotFound
	}
	keep := "public, max-age=31536000, immutable"
	if r.Param("stamp") != s.looks.stamp {
		keep = "no-cache" // a page of an older version asks: serve it, but not for ever
	}
	return &plain{kind: kind, body: body, header: map[string]string{"Cache-Control": keep}}, nil
}

// icon answers browsers that ask without looking at the page.
func (s *site) icon(_ context.Context, _ *Request) (Response, error) {
	body, err := assetFiles.ReadFile("assets/icon.svg")
	return &plain{kind: "image/svg+xml", body: body, header: map[string]string{"Cache-Control": "public, max-age=86400"}}, err
}
