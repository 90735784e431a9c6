package approval

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

var (
	boss    = speaker{"boss@x.example", AsApprover}
	second  = speaker{"second@x.example", AsApprover}
	admin   = speaker{"admin@x.example", AsAdmin}
	herself = speaker{"alice@x.example", AsSender}
)

// example is an open request about recipients a, b and c.
func example(quorum int, stages ...Stage) *record {
	r := &record{id: "1", sender: "alice@x.example", state: Open, revision: "r1", detail: detail{Stages: stages, Quorum: quorum}}
	for _, id := range []string{"a", "b", "c"} {
		r.recipients = append(r.recipients, &recipient{id: id, address: mailaddr.Address(id + "@o.example"), answer: Unanswered})
	}
	return r
}

func (r *record) answers() (out []Answer) {
	for _, x := range r.recipients {
		out = append(out, x.answer)
	}
	return out
}

func TestTransitionsOfARequest(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	type step struct {
		by     speaker
		verb   Verb
		ids    []RecipientID
		others Verb
		err    error
	}
	one := []Stage{asking("manager")}
	two := []Stage{asking("manager"), asking("group:legal")}
	tests := []struct {
		name   string
		quorum int
		stages []Stage
		steps  []step
		want   []Answer
		state  State
		stage  int
	}{
		{"approve all", 1, one, []step{{boss, Approve, nil, "", nil}}, []Answer{AnswerApproved, AnswerApproved, AnswerApproved}, Approved, 0},
		{"reject all", 1, one, []step{{boss, Reject, nil, "", nil}}, []Answer{AnswerRejected, AnswerRejected, AnswerRejected}, Rejected, 0},
		{"a subset, the rest stays open", 1, one, []step{{boss, Approve, []RecipientID{"a"}, "", nil}}, []Answer{AnswerApproved, Unanswered, Unanswered}, Open, 0},
		{"a subset, the rest returned", 1, one, []step{{boss, Approve, []RecipientID{"a"}, Reject, nil}}, []Answer{AnswerApproved, AnswerRejected, AnswerRejected}, Divided, 0},
		{"reject one, approve the others", 1, one, []step{{boss, Reject, []RecipientID{"c"}, Approve, nil}}, []Answer{AnswerApproved, AnswerApproved, AnswerRejected}, Divided, 0},
		{"all named, others named too", 1, one, []step{{boss, Approve, []RecipientID{"a", "b", "c"}, Reject, nil}}, []Answer{AnswerApproved, AnswerApproved, AnswerApproved}, Approved, 0},
		{"the same recipient twice in one decision", 1, one, []step{{boss, Approve, []RecipientID{"a", "a"}, "", nil}}, []Answer{AnswerApproved, Unanswered, Unanswered}, Open, 0},
		{"nobody named", 1, one, []step{{boss, Approve, []RecipientID{}, "", ErrNoRecipient}}, []Answer{Unanswered, Unanswered, Unanswered}, Open, 0},
		{"somebody else's recipient", 1, one, []step{{boss, Approve, []RecipientID{"z"}, "", ErrNoRecipient}}, []Answer{Unanswered, Unanswered, Unanswered}, Open, 0},
		{"no such verb", 1, one, []step{{boss, "maybe", nil, "", ErrNoRecipient}}, []Answer{Unanswered, Unanswered, Unanswered}, Open, 0},
		{"the second is too late", 1, one, []step{{boss, Approve, nil, "", nil}, {second, Reject, nil, "", ErrDecided}}, []Answer{AnswerApproved, AnswerApproved, AnswerApproved}, Approved, 0},
		{"too late for one is too late for the decision", 1, one, []step{{boss, Approve, []RecipientID{"a"}, "", nil}, {second, Reject, []RecipientID{"a", "b"}, "", ErrDecided}},
			[]Answer{AnswerApproved, Unanswered, Unanswered}, Open, 0},
		{"one voice of two", 2, one, []step{{boss, Approve, nil, "", nil}}, []Answer{Unanswered, Unanswered, Unanswered}, Open, 0},
		{"the same voice twice", 2, one, []step{{boss, Approve, nil, "", nil}, {boss, Approve, nil, "", ErrDecided}}, []Answer{Unanswered, Unanswered, Unanswered}, Open, 0},
		{"two voices", 2, one, []step{{boss, Approve, nil, "", nil}, {admin, Approve, nil, "", nil}}, []Answer{AnswerApproved, AnswerApproved, AnswerApproved}, Approved, 0},
		{"two voices about one recipient", 2, one, []step{{boss, Approve, nil, "", nil}, {second, Approve, []RecipientID{"b"}, Reject, nil}}, []Answer{AnswerRejected, AnswerApproved, AnswerRejected}, Divided, 0},
		{"one no is enough", 2, one, []step{{boss, Approve, nil, "", nil}, {second, Reject, nil, "", nil}}, []Answer{AnswerRejected, AnswerRejected, AnswerRejected}, Rejected, 0},
		{"two stages", 1, two, []step{{boss, Approve, nil, "", nil}}, []Answer{Unanswered, Unanswered, Unanswered}, Open, 1},
		{"both stages", 1, two, []step{{boss, Approve, nil, "", nil}, {second, Approve, nil, "", nil}}, []Answer{AnswerApproved, AnswerApproved, AnswerApproved}, Approved, 1},
		{"the first stage drops one", 1, two, []step{{boss, Reject, []RecipientID{"a"}, Approve, nil}}, []Answer{AnswerRejected, Unanswered, Unanswered}, Open, 1},
		{"the first stage waits for all", 1, two, []step{{boss, Approve, []RecipientID{"a"}, "", nil}}, []Answer{Unanswered, Unanswered, Unanswered}, Open, 0},
		{"the first stage returns all", 1, two, []step{{boss, Reject, nil, "", nil}}, []Answer{AnswerRejected, AnswerRejected, AnswerRejected}, Rejected, 0},
		{"the sender passes on", 1, []Stage{asking("sender"), asking("manager")}, []step{{herself, Approve, nil, "", nil}}, []Answer{Unanswered, Unanswered, Unanswered}, Open, 1},
		{"the sender takes it back", 1, []Stage{asking("sender"), asking("manager")}, []step{{herself, Reject, nil, "", nil}}, []Answer{AnswerCancelled, AnswerCancelled, AnswerCancelled}, Cancelled, 0},
		{"self review", 1, []Stage{asking("sender")}, []step{{herself, Approve, nil, "", nil}}, []Answer{AnswerApproved, AnswerApproved, AnswerApproved}, Approved, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := example(tt.quorum, tt.stages...)
			for i, s := range tt.steps {
				e, err := r.answer(Decision{Revision: "r1", Verb: s.verb, Recipients: s.ids, Others: s.others}, s.by, now.Add(time.Duration(i)*time.Minute))
				if !errors.Is(err, s.err) || err == nil && s.err != nil {
					t.Fatalf("step %d: %v, want %v", i+1, err, s.err)
				}
				var decided *DecidedError
				if errors.As(err, &decided) && (decided.By != boss.who || !decided.At.Equal(now)) {
					t.Errorf("step %d: told %+v", i+1, decided)
				}
				if e.next {
					r.advance()
				}
			}
			if got := r.answers(); !slices.Equal(got, tt.want) || r.state != tt.state || r.stage != tt.stage {
				t.Errorf("%v, %s, stage %d; want %v, %s, stage %d", got, r.state, r.stage, tt.want, tt.state, tt.stage)
			}
		})
	}
}

func TestARevisionIsOfWhatWasShown(t *testing.T) {
	base := func() (sha [32]byte, to []mailaddr.Address, findings []byte, plans [][]byte) {
		return [32]byte{1}, []mailaddr.Address{"a@x.example", "b@x.example"}, []byte("f"), [][]byte{[]byte("p"), []byte("q")}
	}
	sha, to, findings, plans := base()
	first := revisionOf(sha, to, findings, plans)
	if again := revisionOf(sha, []mailaddr.Address{"b@x.example", "a@x.example"}, findings, plans); again != first {
		t.Error("the order of recipients changes it")
	}
	changed := map[string]Revision{
		"message":   revisionOf([32]byte{2}, to, findings, plans),
		"recipient": revisionOf(sha, append(to, "c@x.example"), findings, plans),
		"findings":  revisionOf(sha, to, []byte("g"), plans),
		"plan":      revisionOf(sha, to, findings, [][]byte{[]byte("p"), []byte("r")}),
		"boundary":  revisionOf(sha, to, findings, [][]byte{[]byte("pq"), []byte("")}),
	}
	for what, r := range changed {
		if r == first {
			t.Errorf("another %s gives the same revision", what)
		}
	}
}

// Whatever people say and in whatever order, each recipient is answered once,
// and nobody's silence releases anything.
func TestNoOrderOfVoicesAnswersTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quorum := rapid.IntRange(1, 3).Draw(t, "quorum")
		r := example(quorum, slices.Repeat([]Stage{asking("manager")}, rapid.IntRange(1, 3).Draw(t, "stages"))...)
		ends := map[RecipientID]int{}
		people := []speaker{boss, second, admin}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			d := Decision{Revision: "r1", Verb: rapid.SampledFrom([]Verb{Approve, Reject}).Draw(t, "verb"),
				Others: rapid.SampledFrom([]Verb{"", Approve, Reject}).Draw(t, "others")}
			if rapid.Bool().Draw(t, "some") {
				d.Recipients = rapid.SliceOfNDistinct(rapid.SampledFrom([]RecipientID{"a", "b", "c"}), 1, 3, rapid.ID).Draw(t, "ids")
			}
			before := slices.Clone(r.answers())
			e, err := r.answer(d, rapid.SampledFrom(people).Draw(t, "by"), time.Now())
			if err != nil {
				if !slices.Equal(before, r.answers()) {
					t.Fatalf("a refused decision changed %v to %v", before, r.answers())
				}
				continue
			}
			for _, x := range slices.Concat(e.released, e.returned) {
				ends[x.id]++
			}
			for _, x := range e.released {
				if voices := r.approvals(x.id); voices < quorum {
					t.Fatalf("%s released by %d of %d voices", x.id, voices, quorum)
				}
				if !r.lastStage() {
					t.Fatalf("%s released before the last stage", x.id)
				}
			}
			if e.next {
				r.advance()
			}
			if e.closed != (len(r.unanswered()) == 0) {
				t.Fatalf("closed %v with %d unanswered", e.closed, len(r.unanswered()))
			}
		}
		for id, n := range ends {
			if n > 1 {
				t.Fatalf("%s ended %d times", id, n)
			}
		}
	})
}

// approvals counts different people for a recipient in the present stage.
func (r *record) approvals(id RecipientID) int {
	people := map[mailaddr.Address]bool{}
	for _, v := range r.voices {
		if v.Stage == r.stage && v.Verb == Approve && slices.Contains(v.Recipients, id) {
			people[v.By] = true
		}
	}
	return len(people)
}
