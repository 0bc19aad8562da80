// Package calculation makes a module of a tidemill.Calculation: it holds the exports of the world `calculation`.
package calculation

import "tidemill"

var (
	about  tidemill.About
	plugin tidemill.Calculation
)

// Export makes what the module exports. Call it once, from an init function of the main package.
func Export(what tidemill.About, calculation tidemill.Calculation) {
	if plugin != nil {
		panic("tidemill: a module exports one plugin, but Export was called twice")
	}
	about, plugin = what, calculation
}
