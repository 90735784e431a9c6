package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sekisho-mail/sekisho/approval"
	"github.com/sekisho-mail/sekisho/internal/db"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// All HTTP codes stand in this file.
const (
	codeOK           = http.StatusOK
	codeCreated      = http.StatusCreated
	codeSeeOther     = http.StatusSeeOther // after a POST and towards the provider: the next request is a GET
	codeBadRequest   = http.StatusBadRequest
	codeSignIn       = http.StatusUnauthorized
	codeForbidden    = http.StatusForbidden
	codeNotFound     = http.StatusNotFound
	codeConflict     = http.StatusConflict
	codeGone         = http.StatusGone
	codeTooMany      = http.StatusTooManyRequests
	codeBroken       = http.StatusInternalServerError
	codeUnavailable  = http.StatusServiceUnavailable
	codeNotAllowed   = http.StatusMethodNotAllowed
	codeUnsupported  = http.StatusUnsupportedMediaType
	codeTooLarge     = http.StatusRequestEntityTooLarge
	codeRangeInvalid = http.StatusRequestedRangeNotSatisfiable
)

// Refusals of our own.
var (
	errNotFound    = errors.New("no such page, or not for this person")
	errForbidden   = errors.New("not for this role")
	errSignIn      = errors.New("nobody is signed in")
	errCrossOrigin = errors.New("sent from another site")
	errReadOnly    = errors.New("this token may only read")
	errBadForm     = errors.New("a field is missing or not understood")
	errNeedsReason = errors.New("a reason is needed")
)

// codeError is a refusal of the router.
type codeError struct{ code int }

func (e *codeError) Error() string { return http.StatusText(e.code) }

// verdict says how an error is shown: its code and the key of its texts
// ("error.KEY.title" and "error.KEY.text").
type verdict struct {
	code int
	key  string
}

// verdicts is the table from what went wrong to what is said. The first match
// counts; what is not in it is ours to mend and says nothing about itself.
func verdicts() []struct {
	err error
	verdict
} {
	return []struct {
		err error
		verdict
	}{
		{errNotFound, verdict{codeNotFound, "not_found"}},
		{db.ErrNotFound, verdict{codeNotFound, "not_found"}},
		{approval.ErrNotFound, verdict{codeNotFound, "not_found"}},
		{approval.ErrBadToken, verdict{codeNotFound, "bad_link"}},
		{errForbidden, verdict{codeForbidden, "forbidden"}},
		{errReadOnly, verdict{codeForbidden, "read_only"}},
		{errCrossOrigin, verdict{codeForbidden, "cross_origin"}},
		{errSignIn, verdict{codeSignIn, "sign_in"}},
		{errBadForm, verdict{codeBadRequest, "bad_form"}},
		{errNeedsReason, verdict{codeBadRequest, "needs_reason"}},
		{approval.ErrNoRecipient, verdict{codeBadRequest, "no_recipient"}},
		{approval.ErrComment, verdict{codeBadRequest, "bad_form"}}, // the form takes no longer one
		{approval.ErrNotApprover, verdict{codeForbidden, "not_approver"}},
		{approval.ErrSelf, verdict{codeForbidden, "own_mail"}},
		{approval.ErrDecided, verdict{codeConflict, "decided"}},
		{approval.ErrStale, verdict{codeConflict, "stale"}},
		{signin.ErrLostFlow, verdict{codeBadRequest, "lost_flow"}},
		{signin.ErrBadToken, verdict{codeForbidden, "bad_answer"}},
		{signin.ErrProviderDown, verdict{codeUnavailable, "provider_down"}},
		{signin.ErrTokenName, verdict{codeBadRequest, "token_name"}},
		{signin.ErrTokenLife, verdict{codeBadRequest, "token_life"}},
		{signin.ErrTooManyTokens, verdict{codeConflict, "too_many_tokens"}},
		{linkify.ErrNotFound, verdict{codeNotFound, "no_link"}},
		{linkify.ErrTooMany, verdict{codeTooMany, "too_many"}},
		{linkify.ErrTicket, verdict{codeForbidden, "ticket"}},
		{linkify.ErrNeedCode, verdict{codeForbidden, "need_code"}},
		{linkify.ErrGone, verdict{codeGone, "file_gone"}},
		{linkify.ErrExpired, verdict{codeGone, "link_expired"}},
		{linkify.ErrRevoked, verdict{codeGone, "link_revoked"}},
		{linkify.ErrMalware, verdict{codeForbidden, "malware"}},
		{linkify.ErrUnscanned, verdict{codeUnavailable, "busy"}},
		{linkify.ErrViewOnly, verdict{codeForbidden, "view_only"}},
		{linkify.ErrNoPreview, verdict{codeForbidden, "no_preview"}},
		{linkify.ErrFolderClosed, verdict{codeGone, "folder_closed"}},
		{linkify.ErrTooLarge, verdict{codeTooLarge, "file_too_large"}},
		{linkify.ErrFolderType, verdict{codeUnsupported, "file_type"}},
		{linkify.ErrFolderFull, verdict{codeTooLarge, "folder_full"}},
		{linkify.ErrOffset, verdict{codeConflict, "upload_moved"}},
		{linkify.ErrNotReady, verdict{codeConflict, "file_not_ready"}},
		{context.DeadlineExceeded, verdict{codeUnavailable, "busy"}},
		{context.Canceled, verdict{codeUnavailable, "busy"}}, // the reader has gone: nobody sees it
	}
}

func verdictOf(err error) verdict {
	var c *codeError
	if errors.As(err, &c) {
		switch c.code {
		case codeNotFound:
			return verdict{c.code, "not_found"}
		case codeNotAllowed, codeTooLarge:
			return verdict{c.code, "bad_form"}
		}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return verdict{codeTooLarge, "bad_form"}
	}
	var declined *signin.DeclinedError
	if errors.As(err, &declined) {
		return verdict{codeForbidden, "declined"}
	}
	var refusal *signin.Refusal
	if errors.As(err, &refusal) {
		return verdict{codeForbidden, "refused_" + string(refusal.Why)}
	}
	for _, v := range verdicts() {
		if errors.Is(err, v.err) {
			return v.verdict
		}
	}
	return verdict{codeBroken, "broken"}
}

// plainPolicy is the content security policy of a page without any script.
const plainPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// allowScript lets a page of the portal run our own script and speak to our own host.
func allowScript(h http.Header) {
	h.Set("Content-Security-Policy", plainPolicy+"; script-src 'self'; connect-src 'self'")
}

// allowPictures lets a page show a picture that stands in the page itself, and takes from it what such a page needs not.
func allowPictures(h http.Header) {
	h.Set("Content-Security-Policy", strings.Replace(plainPolicy, "img-src 'self'", "img-src 'self' data:", 1)+"; sandbox allow-same-origin allow-forms allow-downloads")
}

// setHeaders sets what every answer carries. Handlers may tighten it.
func setHeaders(h http.Header, staff, tls bool) {
	policy := plainPolicy
	h.Set("Referrer-Policy", "no-referrer")
	if staff {
		policy += "; script-src 'self'; connect-src 'self'; frame-src 'self'"
		// Our own forms must name their origin, or the check of it has nothing to check.
		h.Set("Referrer-Policy", "same-origin")
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	h.Set("Cache-Control", "no-store")
	if tls {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// retryAfter tells programs when to ask again, in whole seconds.
func retryAfter(until, now time.Time) int {
	return max(1, int(until.Sub(now).Seconds()+0.999))
}
