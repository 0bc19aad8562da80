// Why a call could not do what it was asked for.

package tidemill

import "errors"

const (
	// CodeParameter: a parameter is wrong.
	CodeParameter uint32 = 1
	// CodeContract: the host broke the contract.
	CodeContract uint32 = 2
	// CodeOwn is the first code that is the plugin's own; errors that are no Problem have it.
	CodeOwn uint32 = 100
)

// Problem is an error with a code. People read the text in the operator's status, so say what is wrong, where, and what to do.
type Problem struct {
	Code uint32
	// Text is lower-case, without full stop.
	Text string
}

// Error is the text.
func (p *Problem) Error() string { return p.Text }

// WrongParameter is the problem that parameter name is wrong because of reason.
func WrongParameter(name, reason string) *Problem {
	return &Problem{CodeParameter, "parameter `" + name + "` " + reason}
}

// BrokenContract is the problem that the host did what the contract forbids.
func BrokenContract(text string) *Problem {
	return &Problem{CodeContract, "the host broke the plugin contract: " + text}
}

// AsProblem finds the Problem in err, or makes one with code CodeOwn.
func AsProblem(err error) *Problem {
	var problem *Problem
	if errors.As(err, &problem) {
		return problem
	}
	return &Problem{CodeOwn, err.Error()}
}
