/* Tidemill plugins in C: include this one file.
 *
 * The source that holds the plugin defines TIDEMILL_PLUGIN before including it and ends with TIDEMILL_CALCULATION or
 * TIDEMILL_AGGREGATION, which generate the exports of contract 0.2 (exports.h). Other sources include it as it is.
 *
 * Invariants: nothing here has a clock, randomness or an order that depends on addresses; memory does not grow with the number of
 * calls; what a call hands out (texts, columns, values of the key-value store) is valid until that call returns.
 */
#ifndef TIDEMILL_H
#define TIDEMILL_H

#include "types.h"

#include "arena.h"
#include "batch.h"
#include "host.h"
#include "output.h"
#include "params.h"
#include "state.h"

#include "plugin.h"

#endif
