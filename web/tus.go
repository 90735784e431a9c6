package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	tus "github.com/tus/tusd/v2/pkg/handler"
	"golang.org/x/exp/slog"

	"github.com/sekisho-mail/sekisho/linkify"
)

// This is the only file that knows the tus library. It speaks the protocol of resumable uploads (tus 1.0); where
// the bytes go and who may put them there is linkify's.

// newTus makes the protocol's handler. It logs nothing: its lines would hold addresses that open folders.
func newTus(l *linkify.Links) (*tus.UnroutedHandler, error) {
	kept := &tus.StoreComposer{}
	kept.UseCore(tusStore{l})
	kept.UseTerminater(tusStore{l})
	h, err := tus.NewUnroutedHandler(tus.Config{
		StoreComposer: kept, BasePath: "/u/", DisableDownload: true, DisableConcatenation: true,
		Cors:   &tus.CorsConfig{Disable: true}, // our own page alone
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, fmt.Errorf("prepare uploads: %w", err)
	}
	return h, nil
}

// tusVisit is who asks, and for which folder. It travels in the context, because the library's store has no
// other place for it.
type tusVisit struct {
	token string
	who   linkify.Visitor
}

type tusKey struct{}

func visitOf(ctx context.Context) tusVisit {
	v, _ := ctx.Value(tusKey{}).(tusVisit)
	return v
}

// upload hands a request over to the library.
func (p *portal) upload(verb func(*tus.UnroutedHandler) http.HandlerFunc) handle {
	return func(_ context.Context, r *Request) (Response, error) {
		who := p.who(r)
		var cookies []*http.Cookie
		if r.Method == http.MethodPost {
			who, cookies = p.known(r)
		}
		return &tusResponse{inner: p.tus.Middleware(verb(p.tus)), visit: tusVisit{r.Param("token"), who}, cookies: cookies}, nil
	}
}

type tusResponse struct {
	inner   http.Handler
	visit   tusVisit
	cookies []*http.Cookie
}

func (t *tusResponse) write(_ *site, w http.ResponseWriter, r *Request) error {
	for _, c := range t.cookies {
		http.SetCookie(w, c)
	}
	ctx := context.WithValue(r.Context(), tusKey{}, t.visit)
	t.inner.ServeHTTP(&relativeLocation{w}, r.WithContext(ctx))
	return nil
}

// relativeLocation leaves the host out of Location: behind a proxy the library would name the wrong one.
type relativeLocation struct{ http.ResponseWriter }

func (l *relativeLocation) WriteHeader(code int) {
	if at := l.Header().Get("Location"); at != "" {
		if _, rest, ok := strings.Cut(at, "/u/"); ok {
			l.Header().Set("Location", "/u/"+rest)
		}
	}
	l.ResponseWriter.WriteHeader(code)
}

// Unwrap lets the library set deadlines.
func (l *relativeLocation) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// tusStore is linkify as the library sees it.
type tusStore struct{ links *linkify.Links }

func (s tusStore) NewUpload(ctx context.Context, info tus.FileInfo) (tus.Upload, error) {
	v := visitOf(ctx)
	if info.SizeIsDeferred {
		return nil, tus.ErrInvalidUploadLength
	}
	u, err := s.links.BeginUpload(ctx, v.token, v.who, info.MetaData["filename"], info.Size)
	if err != nil {
		return nil, tusError(err)
	}
	return &tusUpload{s.links, v, u}, nil
}

func (s tusStore) GetUpload(ctx context.Context, id string) (tus.Upload, error) {
	v := visitOf(ctx)
	u, err := s.links.UploadOf(ctx, v.token, v.who, path.Base(id)) // the library hands over the whole path
	if err != nil {
		return nil, tusError(err)
	}
	return &tusUpload{s.links, v, u}, nil
}

func (s tusStore) AsTerminatableUpload(u tus.Upload) tus.TerminatableUpload { return u.(*tusUpload) }

type tusUpload struct {
	links *linkify.Links
	visit tusVisit
	linkify.Upload
}

func (u *tusUpload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	n, err := u.links.Append(ctx, u.visit.token, u.visit.who, u.ID, offset, src)
	u.Received = offset + n
	return n, tusError(err)
}

func (u *tusUpload) GetInfo(context.Context) (tus.FileInfo, error) {
	return tus.FileInfo{ID: u.visit.token + "/files/" + u.ID, Size: u.Size, Offset: u.Received}, nil
}

func (u *tusUpload) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, tus.ErrNotImplemented
}

// FinishUpload has nothing to do: the transaction of the last piece did it.
func (u *tusUpload) FinishUpload(context.Context) error { return nil }

func (u *tusUpload) Terminate(ctx context.Context) error {
	return tusError(u.links.DropUpload(ctx, u.visit.token, u.visit.who, u.ID))
}

// tusError gives an error the code that our pages would give it, and says no more than its key.
func tusError(err error) error {
	if err == nil {
		return nil
	}
	var theirs tus.Error
	if errors.As(err, &theirs) {
		return theirs
	}
	if errors.Is(err, linkify.ErrTicket) || errors.Is(err, linkify.ErrNotFound) {
		return tus.ErrNotFound
	}
	v := verdictOf(err)
	return tus.NewError("ERR_"+strings.ToUpper(v.key), v.key, v.code)
}
