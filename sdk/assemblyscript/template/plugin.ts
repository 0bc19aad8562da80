// A low-pass filter for noisy measurements, which also says when one has gone silent.
//
// It is a calculation: rows come in with their group, rows go out. A group is one series, or all series with the same labels, as the
// deployment says. Results depend on the parameters and on the rows alone: there is no clock, and none is missed.

import { About, Batch, Calculation, GOOD, Groups, isBad, Kind, nanos, Output, Params, plus, Port, since, startCalculation, Time } from "../tidemill";

const OUT_VALUE: u32 = 0;
const OUT_STATE: u32 = 1;

/** What is remembered of a group. */
class Series {
  seen: bool = false;
  level: f64 = 0;
  newest: Time = 0;
  stale: bool = false;
}

/**
 * All there is to remember. It is never written anywhere: the host saves the memory of the plugin, and puts it back after a crash together
 * with the place in the journal.
 */
export class Plugin extends Calculation {
  private alpha: f64 = 1;
  private staleNs: i64 = 0;
  private series: Groups<Series> = new Groups<Series>();

  /** Ports are numbered by their place in this description. */
  about(): About {
    return new About("smooth", "1.0.0", [new Port("value")], [new Port("value"), new Port("state", Kind.TEXT)]);
  }

  /** Takes the parameters by name. One that is missing, of the wrong type or unknown is refused without a word here. */
  configure(params: Params): void {
    this.alpha = params.number("alpha");
    this.staleNs = nanos(params.nonNegativeOr("stale_s", 0));
    if (!(this.alpha > 0 && this.alpha <= 1)) params.refuse("alpha", "must lie above 0 and be at most 1");
  }

  /** Takes new rows. They may be late: what is older than the newest row of its series is skipped, as are bad rows and NaNs. */
  process(input: Batch, output: Output): void {
    const rows = input.rows();
    while (rows.next()) {
      const series = this.series.of(rows.group);
      if (isBad(rows.quality) || isNaN(rows.value) || (series.seen && rows.time < series.newest)) continue;
      series.level = series.seen ? series.level + this.alpha * (rows.value - series.level) : rows.value;
      if (!series.seen || series.stale) output.emitText(rows.group, OUT_STATE, rows.time, "fresh", GOOD);
      output.emit(rows.group, OUT_VALUE, rows.time, series.level, rows.quality);
      series.seen = true;
      series.stale = false;
      series.newest = rows.time;
    }
  }

  /**
   * The only timer: rows older than the watermark are not expected any more. What ran out gets the time at which it ran out, so that the
   * result does not depend on when the watermark moved.
   */
  advance(watermark: Time, output: Output): void {
    if (this.staleNs == 0) return;
    for (let group: u32 = 0; group < this.series.length; group++) {
      const series = this.series.of(group);
      if (series.seen && !series.stale && since(watermark, series.newest) >= this.staleNs) {
        series.stale = true;
        output.emitText(group, OUT_STATE, plus(series.newest, this.staleNs), "stale", GOOD);
      }
    }
  }
}

export * from "../tidemill/calculation";
startCalculation(new Plugin());
