package main

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/sekisho-mail/sekisho/holdqueue"
	"github.com/sekisho-mail/sekisho/submission/policy"
)

func TestFilesNeverLeaveBecauseRecipientsOfLinksCameTogether(t *testing.T) {
	verdict, err := json.Marshal(kept{RecipientVerdict: policy.RecipientVerdict{Action: policy.Delay, Link: &policy.Link{Access: policy.Open}}})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{preparing: make(chan struct{}, 1)}
	to := []*holdqueue.Recipient{{ID: "1", Verdict: verdict}, {ID: "2", Verdict: verdict}}
	body, err := h.prepare(t.Context(), &holdqueue.Message{ID: "m"}, to, holdqueue.Bytes([]byte("From: a@b\r\n\r\n")))
	if body != nil || !errors.Is(err, holdqueue.ErrMustHold) {
		t.Errorf("%v %v", body, err)
	}
}
