package policy

// Conditions is `when` or `unless`. In `when` all given conditions must hold;
// in `unless` any one of them is an exception.
type Conditions struct{}

// Expectation is one entry under `expect`.
type Expectation struct{}
