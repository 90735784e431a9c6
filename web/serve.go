package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/sekisho-mail/sekisho/web/words"
)

// answerWithin bounds a handler and the writing of its answer; downloads and
// exports set their own pace.
const answerWithin = 30 * time.Second

// serve builds the handler of one listener. st is nil for the portal, which
// has no sessions at all.
func (s *site) serve(routes []route, st *staff) http.Handler {
	own := s.PortalURL
	if st != nil {
		own = s.BaseURL
	}
	inner := router(routes, s.Proxies, own.Scheme, func(w http.ResponseWriter, req *http.Request, c call) {
		setHeaders(w.Header(), st != nil, own.Scheme == "https")
		if st == nil || !c.route.need.wantsSession(req) {
			s.answer(w, req, c, st)
			return
		}
		st.Gate.Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			s.answer(w, req, c, st)
		}), func(w http.ResponseWriter, req *http.Request, err error) {
			c.route = route{method: req.Method, path: c.route.path, need: anyone, do: failWith(err)}
			s.answer(w, req, c, st)
		}).ServeHTTP(w, req)
	})
	return s.guard(inner, st, own)
}

// guard refuses unsafe requests that another site made the browser send.
func (s *site) guard(next http.Handler, st *staff, own *url.URL) http.Handler {
	cross := http.NewCrossOriginProtection()
	// Behind a proxy that rewrites Host, the configured origin is still ours.
	if err := cross.AddTrustedOrigin(own.Scheme + "://" + own.Host); err != nil {
		s.Log.Warn("own origin not trusted", "error", err)
	}
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		setHeaders(w.Header(), st != nil, own.Scheme == "https")
		s.answer(w, req, call{route: route{method: req.Method, need: anyone, do: failWith(errCrossOrigin)}}, st)
	}))
	checked := cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// With Referrer-Policy no-referrer a browser sends "Origin: null" even for our own forms, and over plain http
		// no Sec-Fetch-Site. The portal has no authority but the address itself, so there is nothing to ride on.
		if st == nil && req.Header.Get("Origin") == "null" && req.Header.Get("Sec-Fetch-Site") == "" {
			req.Header.Del("Origin")
		}
		checked.ServeHTTP(w, req)
	})
}

// answer runs one handler and writes what it gives, or the page of its error.
func (s *site) answer(w http.ResponseWriter, req *http.Request, c call, st *staff) {
	ctx := req.Context()
	if !c.route.streams {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerWithin)
		defer cancel()
		// No error matters: a writer without deadlines (a test's recorder) needs none.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerWithin + 5*time.Second))
	}
	r := &Request{Request: req.WithContext(ctx), IP: c.ip, route: c.route, param: c.param}
	r.Lang = s.language(r, st != nil)
	res, err := s.run(ctx, r, st)
	if err != nil {
		res = s.failure(ctx, r, st, err)
	}
	if err := res.write(s, w, r); err != nil {
		s.Log.Debug("answer not delivered", "route", c.route.pattern(), "error", err)
	}
}

// run finds out who asks, lets access.go decide, and calls the handler. A panic
// becomes an error with its stack, which holds code and no content.
func (s *site) run(ctx context.Context, r *Request, st *staff) (res Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			err = fmt.Errorf("handler of %s panicked (%T)\n%s", r.route.pattern(), p, debug.Stack())
		}
	}()
	r.Now = time.Now().In(s.Company.Zone)
	if !r.route.bare {
		if now, err := s.now(ctx); err == nil {
			r.Now = now
		} else if r.route.need != anyone {
			return nil, err
		}
	}
	if st != nil {
		if err := st.admit(ctx, r); err != nil {
			return nil, err
		}
	}
	return r.route.do(ctx, r)
}

// languageCookie remembers the switch. It holds no secret and no identity.
const languageCookie = "sekisho-language"

// language is the reader's: the address line (the portal's switch), the switch
// of the staff pages, then what the browser asks for. Who is signed in and has
// not used the switch gets the language of the people file instead. The portal
// reads no cookie of the staff, not even this one.
func (s *site) language(r *Request, staff bool) words.Lang {
	if l, ok := words.Parse(r.Query("lang")); ok {
		return l
	}
	if l, ok := chosenLanguage(r); ok && staff {
		return l
	}
	return words.FromAccept(r.Header.Get("Accept-Language"), s.Company.Language)
}

func chosenLanguage(r *Request) (words.Lang, bool) {
	c, err := r.Cookie(languageCookie)
	if err != nil {
		return "", false
	}
	return words.Parse(c.Value)
}

func failWith(err error) handle {
	return func(context.Context, *Request) (Response, error) { return nil, err }
}
