package web

import (
	"errors"
	"net"
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// This is the only file that knows echo, so that the move to its next major
// version is a change of this file. Everything else speaks net/http, Request
// and Response.

// maxBody is far above any form or JSON we take. Routes that take files bound them themselves.
const maxBody = "256K"

// router builds the handler of one listener from its page of routes. handle
// answers one request.
func router(routes []route, proxies []netip.Prefix, scheme string, handle func(http.ResponseWriter, *http.Request, call)) http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = clientAddress(proxies)
	// Our own address is configured; no header of a client may change what we take ourselves for.
	e.SchemeExtractor = func(*http.Request) string { return scheme }
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if !c.Response().Committed {
			refuse := route{method: c.Request().Method, need: anyone, do: failWith(fromEcho(err))}
			handle(c.Response(), c.Request(), callOf(c, refuse))
		}
	}
	limit := middleware.BodyLimit(maxBody)
	for _, rt := range routes {
		h := echo.HandlerFunc(func(c echo.Context) error {
			handle(c.Response(), c.Request(), callOf(c, rt))
			return nil
		})
		if !rt.uploads {
			h = limit(h)
		}
		e.Add(rt.method, rt.path, h)
		if rt.method == http.MethodGet {
			e.Add(http.MethodHead, rt.path, h)
		}
	}
	return e
}

func callOf(c echo.Context, rt route) call {
	ip, _ := netip.ParseAddr(c.RealIP())
	return call{route: rt, ip: ip.Unmap(), param: c.Param}
}

// fromEcho gives echo's own refusals (no such route, wrong method, body too
// large) the form of ours; any other error stays what it is.
func fromEcho(err error) error {
	var known *echo.HTTPError
	if errors.As(err, &known) {
		return &codeError{code: known.Code}
	}
	return err
}

// clientAddress believes X-Forwarded-For only from the proxies that were
// named: echo's default believes it from any private network.
func clientAddress(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		trust = append(trust, echo.TrustIPRange(&net.IPNet{
			IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(trust...)
}
