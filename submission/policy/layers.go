package policy

import "slices"

// Overlay puts a department's or a person's rules over the company's: a rule
// takes the place of a default rule of the same name, and is left out where
// the company forces one of that name. Rules of new names are added. Since the
// strictest result wins, an added rule can only make things stricter; only by
// naming a default rule can a lower layer make them milder.
//
// The rules given become rules of that layer. Neither policy is changed.
func (p *Policy) Overlay(layer Layer, over *Policy) *Policy {
	out := *p
	out.Rules = slices.Clone(p.Rules)
	for _, r := range over.Rules {
		if r.Safeguard {
			continue // the company's file has settled those
		}
		r.Layer = layer
		i := slices.IndexFunc(out.Rules, func(o Rule) bool { return o.Name == r.Name })
		switch {
		case i < 0:
			out.Rules = append(out.Rules, r)
		case out.Rules[i].Layer != Forced:
			out.Rules[i] = r
		}
	}
	return &out
}
