//! Drives a calculation and an aggregation through the ABI as a host does, with this machine's words instead of wasm32's: lists
//! allocated by `cabi_realloc`, results read from return areas.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use tidemill_sdk::abi::memory::{Plain, realloc, take_list};
use tidemill_sdk::abi::{AggregationGuest, CalculationGuest, WindowHead};
use tidemill_sdk::prelude::*;

/// Counts the bytes that this process holds.
struct Counting;

static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as for the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as for the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Adds up, and fails or doubts on request.
#[derive(Default)]
struct Total {
    factor: f64,
    totals: Groups<f64>,
}

impl Calculation for Total {
    const ABOUT: About = About {
        name: "total",
        version: "1.2",
        inputs: &[Port::number("a"), Port::text("b")],
        outputs: &[Port::number("total")],
    };

    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        self.factor = params.number("factor")?;
        Ok(())
    }

    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem> {
        for row in input.rows() {
            if row.value < 0.0 {
                return Err(Problem::new("a negative value"));
            }
            let total = self.totals.of(row.group);
            *total += self.factor * row.value;
            output.push(row.group, 0, row.time, *total, row.quality);
        }
        Ok(())
    }
}

/// First and last value of a window.
#[derive(Default)]
struct Ends;

impl Aggregation for Ends {
    const ABOUT: About = About {
        name: "ends",
        version: "1",
        inputs: &[Port::number("value")],
        outputs: &[Port::number("first"), Port::number("last")],
    };

    fn aggregate(&mut self, window: &Window<'_>, out: &mut [f64]) {
        if let (Some(first), Some(last)) = (window.values().first(), window.values().last()) {
            out.copy_from_slice(&[*first, *last]);
        }
    }
}

/// Gives a list to the guest, the way the host does.
fn give<T: Plain>(items: &[T]) -> Vec<T> {
    if items.is_empty() {
        return Vec::new();
    }
    // SAFETY: the list is allocated for exactly these items, written completely, and given away.
    unsafe {
        let list = realloc(std::ptr::null_mut(), 0, align_of::<T>(), size_of_val(items)).cast::<T>();
        list.copy_from_nonoverlapping(items.as_ptr(), items.len());
        take_list(list, items.len())
    }
}

/// Reads words of a return area.
fn words<const N: usize>(area: *const usize) -> [usize; N] {
    // SAFETY: the areas have at least as many words as the tests ask for, and live in the guest.
    unsafe { area.cast::<[usize; N]>().read() }
}

/// Copies a list out of the guest.
fn list<T: Copy>(pointer: usize, length: usize) -> Vec<T> {
    // SAFETY: pointer and length come from a return area whose lists are still valid.
    unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<T>(pointer), length).to_vec() }
}

fn text(pointer: usize, length: usize) -> String {
    String::from_utf8(list(pointer, length)).expect("texts are UTF-8")
}

fn total(params: &str) -> CalculationGuest<Total> {
    let mut guest = CalculationGuest::new();
    assert_eq!(words::<1>(guest.configure(give(params.as_bytes()))), [0]);
    guest
}

#[test]
fn describe_names_the_ports() {
    let area: [usize; 8] = words(CalculationGuest::<Total>::new().describe());
    assert_eq!((text(area[0], area[1]), text(area[2], area[3])), ("total".to_owned(), "1.2".to_owned()));

    let mut guest = CalculationGuest::<Total>::new();
    let area: [usize; 8] = words(guest.describe());
    let inputs: Vec<[usize; 3]> = list(area[4], area[5]);
    let ports: Vec<_> = inputs.iter().map(|[at, len, kind]| (text(*at, *len), *kind)).collect();
    assert_eq!(ports, [("a".to_owned(), 0), ("b".to_owned(), 1)]);
    assert_eq!(area[7], 1);
}

#[test]
fn process_returns_a_batch() {
    let mut guest = total(r#"{"factor": 2}"#);
    let runs = [Run { group: 3, port: 0, rows: 2 }, Run { group: 0, port: 1, rows: 1 }];
    let t0 = -5_000_000_000;
    let area = guest.process(
        t0,
        give(&runs),
        give(&[10_i64, 20, 5]),
        give(&[1.0, 2.0, 4.0]),
        give(&[0_u32, 7, 0]),
        Vec::new(),
    );
    let area: [usize; 14] = words(area);
    assert_eq!(area[0], 0);
    assert_eq!(area[2] as u32 as i64 | (area[3] as i64) << 32, t0 + 10, "t0 is the time of the first row");
    assert_eq!(list::<Run>(area[4], area[5]), [Run { group: 3, port: 0, rows: 2 }, Run { group: 0, port: 0, rows: 1 }]);
    assert_eq!(list::<i64>(area[6], area[7]), [0, 10, -5]);
    assert_eq!(list::<f64>(area[8], area[9]), [2.0, 6.0, 8.0]);
    assert_eq!(list::<u32>(area[10], area[11]), [0, 7, 0]);
    guest.post();
    let advanced: [usize; 14] = words(guest.advance(0));
    assert_eq!((advanced[0], advanced[5], advanced[9]), (0, 0, 0), "nothing is left over from the call before");
}

#[test]
fn problems_come_back_with_code_and_text() {
    let mut guest = total(r#"{"factor": 1}"#);
    let run = give(&[Run { group: 0, port: 0, rows: 1 }]);
    let area: [usize; 5] = words(guest.process(0, run, give(&[0_i64]), give(&[-1.0]), Vec::new(), Vec::new()));
    assert_eq!((area[0], area[2] as u32, text(area[3], area[4])), (1, Problem::OWN, "a negative value".to_owned()));

    let no_runs: [usize; 3] = words(guest.process(0, Vec::new(), give(&[0_i64]), give(&[1.0]), Vec::new(), Vec::new()));
    assert_eq!((no_runs[0], no_runs[2] as u32), (1, Problem::CONTRACT));

    let refused: [usize; 4] = words(guest.configure(give(b"{}")));
    assert_eq!((refused[0], refused[1] as u32), (1, Problem::PARAMETER));
    assert_eq!(text(refused[2], refused[3]), "parameter `factor` is missing; give a number");
    let unconfigured: [usize; 3] = words(guest.advance(0));
    assert_eq!((unconfigured[0], unconfigured[2] as u32), (1, Problem::CONTRACT));
}

#[test]
fn aggregate_returns_a_row_of_values_per_window() {
    let mut guest = AggregationGuest::<Ends>::new();
    assert_eq!(words::<1>(guest.configure(Vec::new())), [0]);
    let head = |group, rows| WindowHead { group, rows, start: 0, end: 60 };
    let area = guest.aggregate(
        give(&[head(0, 2), head(1, 0), head(2, 1)]),
        give(&[0_i64, 1, 2]),
        give(&[1.0, 2.0, 3.0]),
        Vec::new(),
        Vec::new(),
    );
    let area: [usize; 3] = words(area);
    let values = list::<f64>(area[1], area[2]);
    assert_eq!((area[0], &values[..2], &values[4..]), (0, &[1.0, 2.0][..], &[3.0, 3.0][..]));
    assert!(values[2].is_nan() && values[3].is_nan(), "an empty window has no values");
}

#[test]
fn memory_does_not_grow_with_the_number_of_calls() {
    let mut guest = total(r#"{"factor": 0.5}"#);
    let times: Vec<i64> = (0..500).collect();
    let values = vec![1.0; 500];
    let mut call = |calls: usize| {
        for _ in 0..calls {
            let run = give(&[Run { group: 1, port: 0, rows: 500 }]);
            guest.process(0, run, give(&times), give(&values), give(&[1_u32; 500]), Vec::new());
            guest.post();
            guest.describe();
        }
        LIVE_BYTES.load(Ordering::Relaxed)
    };
    let early = call(100);
    // The other tests of this process allocate meanwhile, but far less than one leaked list per call would add up to.
    let late = call(5_000);
    assert!(late - early < 1_000_000, "{early} bytes after 100 calls, {late} after 5,100");
}
