// Tidemill plugins in C++ (20 or newer): include this one file.
//
// A plugin is a class. The source that holds it ends with TIDEMILL_CALCULATION(Class) or TIDEMILL_AGGREGATION(Class), which in a
// WebAssembly module generate the exports of contract 0.2 (exports.hpp) and natively nothing; testing.hpp drives the class from tests.
//
// Invariants: no exceptions and no run-time types are needed; nothing here has a clock, randomness or an order that depends on
// addresses; memory does not grow with the number of calls; what a call hands out is valid until that call returns.
#pragma once

#include "batch.hpp"
#include "host.hpp"
#include "output.hpp"
#include "params.hpp"
#include "plugin.hpp"
#include "state.hpp"
#include "types.hpp"

#ifdef __wasm__
#include "exports.hpp"
#else
#define TIDEMILL_CALCULATION(Class)
#define TIDEMILL_DURABLE_CALCULATION(Class)
#define TIDEMILL_AGGREGATION(Class)
#endif
