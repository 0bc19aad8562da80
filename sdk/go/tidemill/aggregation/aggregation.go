// Package aggregation makes a module of a tidemill.Aggregation: it holds the exports of the world `aggregation`.
package aggregation

import "tidemill"

var (
	about  tidemill.About
	plugin tidemill.Aggregation
)

// Export makes what the module exports. Call it once, from an init function of the main package.
func Export(what tidemill.About, aggregation tidemill.Aggregation) {
	if plugin != nil {
		panic("tidemill: a module exports one plugin, but Export was called twice")
	}
	about, plugin = what, aggregation
}
