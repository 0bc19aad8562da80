// Package durable makes a module of a tidemill.Durable: it adds `save` and `load` to the exports of a calculation.
package durable

import (
	"tidemill"
	"tidemill/calculation"
)

var plugin tidemill.Durable

// Export makes what the module exports. Call it once, from an init function of the main package, instead of calculation.Export.
func Export(about tidemill.About, durable tidemill.Durable) {
	calculation.Export(about, durable)
	plugin = durable
}
