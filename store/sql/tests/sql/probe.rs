//! A provider of aggregations that tell what they were given.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tidemill_store_sql::{AggregateGuest, AggregateInfo, AggregateProvider, AggregateWindows};

/// Outputs of every plugin here: rows, their sum times the parameter `by`, the window, rows that are not good, rows that are
/// older than the one before, and which call it was.
const OUTPUTS: [&str; 7] = ["rows", "sum", "start", "end", "bad", "unsorted", "call"];

/// Plugins that can be installed and removed.
#[derive(Default, Debug)]
pub(crate) struct Probes {
    pub(crate) names: Mutex<Vec<String>>,
    /// Calls into guests.
    pub(crate) calls: AtomicUsize,
}

impl Probes {
    pub(crate) fn named(names: &[&str]) -> Arc<Self> {
        let names = Mutex::new(names.iter().map(|name| (*name).to_owned()).collect());
        Arc::new(Self { names, calls: AtomicUsize::new(0) })
    }
}

/// `Probes` as the engine wants it.
#[derive(Debug)]
pub(crate) struct Provider(pub(crate) Arc<Probes>);

impl AggregateProvider for Provider {
    fn list(&self) -> Vec<AggregateInfo> {
        let info = |name: &String| AggregateInfo {
            id: format!("id of {name}"),
            name: name.clone(),
            version: "1.0".to_owned(),
            outputs: OUTPUTS.map(str::to_owned).to_vec(),
        };
        self.0.names.lock().unwrap().iter().map(info).collect()
    }

    fn start(&self, id: &str, params: &str) -> Result<Box<dyn AggregateGuest>, String> {
        assert!(id.starts_with("id of "));
        let by = match params {
            "{}" => 1.0,
            params => {
                let by = params.strip_prefix("{\"by\": ").and_then(|rest| rest.strip_suffix('}'));
                by.and_then(|by| by.parse().ok()).ok_or_else(|| format!("parameters {params} have no number `by`"))?
            }
        };
        Ok(Box::new(Guest { by, probes: self.0.clone(), calls: 0 }))
    }
}

struct Guest {
    by: f64,
    probes: Arc<Probes>,
    calls: usize,
}

impl AggregateGuest for Guest {
    fn call(&mut self, windows: &mut AggregateWindows, answers: &mut Vec<f64>) -> Result<(), String> {
        self.probes.calls.fetch_add(1, Ordering::Relaxed);
        self.calls += 1;
        let mut first = 0;
        for (_, rows, start, end) in &windows.windows {
            let range = first..first + *rows as usize;
            first = range.end;
            let values = &windows.values[range.clone()];
            if values.contains(&666.0) {
                return Err("it cannot bear 666".to_owned());
            }
            assert!(windows.dt[range.clone()].iter().all(|dt| (0..end - start).contains(dt)), "rows outside");
            let bad = windows.qualities.get(range.clone()).unwrap_or_default().iter().filter(|q| **q != 0).count();
            let unsorted = windows.dt[range].windows(2).filter(|pair| pair[0] > pair[1]).count();
            let sum = values.iter().sum::<f64>() * self.by;
            // -1 stands for no value.
            let sum = if sum == -1.0 { f64::NAN } else { sum };
            answers.extend([values.len() as f64, sum, *start as f64, *end as f64]);
            answers.extend([bad as f64, unsorted as f64, self.calls as f64]);
        }
        Ok(())
    }
}
