package detect

// automaton finds all words of a dictionary in one pass (Aho and Corasick, 1975).
// The libraries keep 2 kB per state, 117 MB for two thousand Japanese keywords;
// here a state with few successors has a short list, and only the busy ones near
// the root have a table, which also holds where to go after a mismatch.
type automaton struct {
	states  []state
	labels  []byte  // of the lists
	targets []int32 // of the lists
	tables  [][256]int32
	lengths []int32 // of the words
}

type state struct {
	fail  int32
	word  int32 // index + 1 of the word that ends here
	next  int32 // the nearest state on the way of failures where a word ends
	first int32 // of the list; of the table when size is whole
	size  uint8
}

// whole marks a state with a table; busy is the number of successors from which
// a table is worth its kilobyte.
const (
	whole = 0xff
	busy  = 3
)

// node is a state while the trie grows: children hang on each other.
type node struct {
	label          byte
	child, sibling int32
	word           int32
}

func newAutomaton(words []string) *automaton {
	trie := []node{{}}
	a := &automaton{lengths: make([]int32, len(words))}
	for i, w := range words {
		a.lengths[i] = int32(len(w))
		at := int32(0)
		for j := range len(w) {
			at = descend(&trie, at, w[j])
		}
		trie[at].word = int32(i + 1)
	}
	a.lay(trie)
	return a
}

// descend goes to the child of at with that label and makes it if need be.
func descend(trie *[]node, at int32, label byte) int32 {
	for c := (*trie)[at].child; c != 0; c = (*trie)[c].sibling {
		if (*trie)[c].label == label {
			return c
		}
	}
	c := int32(len(*trie))
	*trie = append(*trie, node{label: label, sibling: (*trie)[at].child})
	(*trie)[at].child = c
	return c
}

// lay turns the trie into states, shorter prefixes first, and finds where to go
// on after a mismatch.
func (a *automaton) lay(trie []node) {
	a.states = make([]state, len(trie))
	queue := make([]int32, 1, len(trie))
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		s := &a.states[at]
		s.word = trie[at].word
		var children []int32
		for c := trie[at].child; c != 0; c = trie[c].sibling {
			children = append(children, c)
		}
		for _, c := range children {
			if at != 0 {
				a.states[c].fail = a.step(s.fail, trie[c].label)
			}
		}
		a.store(at, children, trie)
		if f := s.fail; at != 0 {
			if a.states[f].word != 0 {
				s.next = f
			} else {
				s.next = a.states[f].next
			}
		}
		queue = append(queue, children...)
	}
}

func (a *automaton) store(at int32, children []int32, trie []node) {
	s := &a.states[at]
	if at == 0 || len(children) >= busy {
		var t [256]int32
		if at != 0 {
			for c := range t {
				t[c] = a.step(s.fail, byte(c))
			}
		}
		for _, c := range children {
			t[trie[c].label] = c
		}
		s.first, s.size = int32(len(a.tables)), whole
		a.tables = append(a.tables, t)
		return
	}
	s.first, s.size = int32(len(a.labels)), uint8(len(children))
	for _, c := range children {
		a.labels = append(a.labels, trie[c].label)
		a.targets = append(a.targets, c)
	}
}

// step is the state after reading c in state at.
func (a *automaton) step(at int32, c byte) int32 {
	for {
		s := &a.states[at]
		if s.size == whole {
			return a.tables[s.first][c]
		}
		for i := s.first; i < s.first+int32(s.size); i++ {
			if a.labels[i] == c {
				return a.targets[i]
			}
		}
		at = s.fail
	}
}

// walk calls found for every word in b, in order of their ends, longest first.
// Most bytes of a text leave the root at once or not at all, so that way is short.
func (a *automaton) walk(b []byte, found func(start, end, word int)) {
	root := &a.tables[0]
	at := int32(0)
	for i, c := range b {
		if at == 0 {
			if at = root[c]; at == 0 {
				continue
			}
		} else {
			if at = a.step(at, c); at == 0 {
				continue
			}
		}
		s := &a.states[at]
		if s.word == 0 && s.next == 0 {
			continue
		}
		a.report(at, i+1, found)
	}
}

// report names the words that end in state at.
func (a *automaton) report(at int32, end int, found func(start, end, word int)) {
	for ; at != 0; at = a.states[at].next {
		if w := a.states[at].word; w != 0 {
			found(end-int(a.lengths[w-1]), end, int(w-1))
		}
	}
}
