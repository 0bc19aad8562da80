// Rows in and out: runs, qualities, texts, groups, windows, time.

import { About, Aggregation, BAD, Batch, Calculation, Column, Groups, Kind, nanos, Output, Params, plus } from "../tidemill";
import { Port, since, Time, UNCERTAIN, Window, worst } from "../tidemill";
import { Arena } from "../tidemill/memory";
import { aggregated, check, checkRows, Harness, Row } from "../tidemill/testing";

const PORTS = [new Port("value"), new Port("state", Kind.TEXT)];

/** Emits every row as it came, run by run where `runs` is 1. */
class Echo extends Calculation {
  private runs: f64 = 0;

  about(): About {
    return new About("echo", "1", PORTS, PORTS);
  }

  configure(params: Params): void {
    this.runs = params.numberOr("runs", 0);
  }

  process(input: Batch, output: Output): void {
    if (this.runs == 0) {
      const rows = input.rows();
      while (rows.next()) {
        if (rows.port == 1) output.emitText(rows.group, 1, rows.time, rows.text, rows.quality);
        else output.emit(rows.group, 0, rows.time, rows.value, rows.quality);
      }
      return;
    }
    const runs = input.runs();
    while (runs.next()) {
      if (runs.port == 0) output.emitRun(runs, 0);
      for (let i = 0; i < runs.length && runs.port == 1; i++) {
        output.emitText(runs.group, 1, runs.time(i), runs.text(i), runs.quality(i));
      }
    }
  }

  advance(watermark: Time, output: Output): void {
    output.emit(0, 0, watermark, 1, 0);
    output.fail("the tide is out");
    output.fail("said too late");
  }
}

function rows(): Row[] {
  return [
    Row.number(1, 0, 7, 1),
    Row.number(1, 0, 7, 2),
    Row.number(1, 0, 3, NaN, BAD),
    Row.text(1, 1, 4, "off"),
    Row.text(2, 1, 4, "on é😀"),
    Row.text(2, 1, 5, "off"),
    Row.text(2, 1, 6, ""),
    Row.number(0, 0, -9, -0.0, UNCERTAIN),
  ];
}

export function testRowsComeBackAsTheyWereEmitted(): void {
  const byRow = new Harness(new Echo(), "{}");
  const byRun = new Harness(new Echo(), '{"runs": 1}');
  for (let call = 0; call < 3; call++) {
    checkRows("by row", byRow.process(rows()), rows());
    checkRows("by run", byRun.process(rows()), rows());
    checkRows("nothing", byRow.process([]), []);
  }
}

export function testRunsQualitiesAndTextsAreAsFewAsPossible(): void {
  const output = new Output(PORTS);
  output.emit(1, 0, 7, 1, 0);
  output.emit(1, 0, 7, 1, 0);
  check("qualities", output.qualities.length, 0);
  output.emit(1, 0, 6, 1, BAD);
  output.emitText(1, 1, 6, "on", 0);
  output.emitText(1, 1, 6, "off", 0);
  output.emitText(1, 1, 6, "on", 0);
  check("runs: time must not go back within one", output.heads.length / 3, 3);
  check("rows of the first", load<u32>(output.heads.at(2)), 2);
  check("qualities after a bad row", output.qualities.length, 6);
  check("texts", output.textLists().length / 2, 2);
  output.reset();
  check("rows of the next call", output.length + output.heads.length + output.textLists().length, 0);
}

export function testTheFirstFailureOfACallCounts(): void {
  const echo = new Harness(new Echo(), "{}");
  checkRows("nothing is emitted", echo.advance(5), []);
  check("code", echo.problem!.code, 100);
  check("text", echo.problem!.text, "the tide is out");
}

export function testColumnsOfDifferentLengthAreRefused(): void {
  const output = new Output(PORTS);
  output.emit(0, 0, 1, 1, BAD);
  check("as emitted", output.batch().check() === null, true);
  const batch = output.batch();
  batch.dt.length = 0;
  check("dt", batch.check() === null, false);
  const longer = output.batch();
  longer.heads[2] = 2;
  check("runs", longer.check() === null, false);
  longer.heads[2] = 1;
  longer.qualities.length = 2;
  check("qualities", longer.check()!.code, 2);
}

class Counter {
  count: i32 = 0;
}

export function testStatesOfGroupsStay(): void {
  const groups = new Groups<Counter>();
  const first = groups.of(0);
  groups.of(1000).count = 7;
  first.count = 5;
  check("first", groups.of(0).count, 5);
  check("last", groups.of(1000).count, 7);
  check("length", groups.length, 1001);
}

/** The span of the good values. */
class Span extends Aggregation {
  about(): About {
    return new About("span", "1", [new Port("value")], [new Port("span"), new Port("last_s")]);
  }

  aggregate(window: Window, out: Column<f64>): void {
    let least = Infinity;
    let most = -Infinity;
    for (let i = 0; i < window.length; i++) {
      if (window.quality(i) != 0) continue;
      least = min(least, window.values[i]);
      most = max(most, window.values[i]);
      out[1] = <f64>(window.time(i) - window.start);
    }
    if (least <= most) out[0] = most - least;
  }
}

export function testAWindowBecomesOneValuePerPort(): void {
  const rows = [Row.number(0, 0, 10, 1), Row.number(0, 0, 12, 9, BAD), Row.number(0, 0, 19, 4)];
  const values = aggregated(new Span(), "{}", 10, 20, rows);
  check("ports", values.length, 2);
  check("span", values[0], 3);
  check("last", values[1], 9);
  check("an empty window has no value", isNaN(aggregated(new Span(), "{}", 10, 20, [])[0]), true);
}

export function testTimeStopsAtTheEndsOfItsRange(): void {
  check("plus", plus(2, -1), 1);
  check("plus, late", plus(i64.MAX_VALUE, 1), i64.MAX_VALUE);
  check("plus, early", plus(i64.MIN_VALUE, -1), i64.MIN_VALUE);
  check("since", since(3, 5), -2);
  check("since, late", since(0, i64.MIN_VALUE), i64.MAX_VALUE);
  check("since, early", since(-2, i64.MAX_VALUE), i64.MIN_VALUE);
  check("nanos", nanos(1.5), 1_500_000_000);
  check("nanos, small", nanos(-0.9e-9), 0);
  check("nanos, late", nanos(1e30), i64.MAX_VALUE);
  check("nanos, early", nanos(-1e30), i64.MIN_VALUE);
  check("nanos of nothing", nanos(NaN), 0);
}

export function testTheWorstOfTwoIsDecidedBySeverityAlone(): void {
  check("bad", worst(0, BAD), BAD);
  check("details", worst(0x0096_0000, 0), 0x0096_0000);
  check("both bad", worst(0xc000_0001, 0x8000_0002), 0xc000_0001);
  check("both bad, turned round", worst(0x8000_0002, 0xc000_0001), 0x8000_0002);
}

export function testMemoryOfACallIsAlignedAndStaysUntouched(): void {
  const arena = new Arena();
  for (let call = 0; call < 3; call++) {
    const pieces: usize[] = [];
    for (let i = 0; i < 2000; i++) {
      const ptr = arena.take(1 << (i & 3), (i * 7) % 300);
      check("alignment", <i32>ptr & ((1 << (i & 3)) - 1), 0);
      memory.fill(ptr, <u8>i, (i * 7) % 300);
      pieces.push(ptr);
    }
    for (let i = 0; i < pieces.length; i++) {
      for (let at = 0; at < (i * 7) % 300; at++) check("a byte of the call", load<u8>(pieces[i] + at), <u8>i);
    }
    arena.reset();
  }
}

export function testCallsOfEqualSizeNeedNoMoreMemory(): void {
  const arena = new Arena();
  let pages = 0;
  for (let call = 0; call < 2000; call++) {
    for (let i = 0; i < 50; i++) arena.take(8, 4000);
    arena.take(8, call == 0 ? 6 << 20 : 8);
    arena.reset();
    if (call == 10) pages = memory.size();
  }
  check("pages", memory.size(), pages);
}
