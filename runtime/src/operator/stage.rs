//! Two stages: an aggregation whose groups have series in several partitions runs once per partition, and once more over
//! what those have put out.
//!
//! ```text
//!   partition 0 ──▶ NAME-partial, instance 0 ──▶ power_NAME-partial:count{site=A,partition=0,…} ┐
//!   partition 1 ──▶ NAME-partial, instance 1 ──▶ power_NAME-partial:count{site=A,partition=1,…} ┼▶ NAME ──▶ power_NAME:count{site=A}
//!                       aggregate                   ordinary series                         combine, merges partitions
//! ```
//!
//! Both stages are operators like any other, with windows, revisions, checkpoints and lineage. What crosses partitions is one
//! row per window, group and output instead of every sample.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidemill_model::series::escape_name;
use tidemill_model::{Selector, SeriesKey};

use crate::error::DeployError;
use crate::guest::Port;
use crate::operator::spec::{DEFAULT_OUTPUT, DeployRequest, fill};
use crate::operator::start::Start;
use crate::operator::windows::{Kind, Shape};

/// What the name of a first stage and its outputs' measurement end with.
const PARTIAL: &str = "-partial";
/// The label that tells the partition of a first stage's outputs.
pub(super) const PARTITION_LABEL: &str = "partition";
/// The label that tells the operator whose first stage has put them out.
pub(super) const OPERATOR_LABEL: &str = "partial_of";

/// Which of two stages an operator is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The first: aggregates what a partition holds of a group's windows.
    Partial,
    /// The second: puts the results of a window together.
    Combine,
}

/// The name of an operator's first stage.
pub(crate) fn partial_name(name: &str) -> String {
    format!("{name}{PARTIAL}")
}

/// The name of the operator whose first stage this is.
pub(crate) fn combined_name(partial: &str) -> &str {
    partial.strip_suffix(PARTIAL).unwrap_or(partial)
}

/// The measurement of the second stage's outputs, from that of its inputs.
pub(super) fn combined_measurement(partial: &str) -> &str {
    partial.strip_suffix(PARTIAL).unwrap_or(partial)
}

/// The partition whose first stage has put out a series.
pub(super) fn partition_of(key: &SeriesKey) -> u32 {
    key.label(PARTITION_LABEL).and_then(|text| text.parse().ok()).unwrap_or(u32::MAX)
}

/// The two requests that one for two stages stands for.
pub(crate) fn split(request: &DeployRequest, outputs: &[Port]) -> Result<(DeployRequest, DeployRequest), DeployError> {
    let invalid = |reason: &str| Err(DeployError::invalid(format!("two stages: {reason}")));
    let Some(labels) = &request.group_by else {
        return invalid("without group_by every series is a group of its own, which one stage does");
    };
    if let Some(taken) = labels.iter().find(|label| [PARTITION_LABEL, OPERATOR_LABEL].contains(&label.as_str())) {
        return invalid(&format!("group_by must not have the label {taken}: results of the first stage carry it"));
    }
    if request.merge_partitions {
        return invalid("merge_partitions is the other way to do the same: leave one of them out");
    }
    let template = request.output.as_deref().unwrap_or(DEFAULT_OUTPUT);
    let own = |measurement: &str| fill(template, measurement, &request.name);
    if own("*") == "*" {
        return invalid("the output needs a name of its own, as in \"{measurement}_{operator}\"");
    }
    // One that cannot be read is refused elsewhere, with what is wrong with it.
    let selectors = request.inputs.values().filter_map(|text| text.parse::<Selector>().ok());
    let measurements: BTreeSet<_> = selectors.map(|selector| selector.measurement().map(str::to_owned)).collect();
    if own("*").contains('*') && (measurements.len() > 1 || measurements.contains(&None)) {
        return invalid(
            "the inputs may be of several measurements, and whichever reported first would name the output: give it a name \
             without {measurement}, or select one measurement",
        );
    }
    let measurement = escape_name(&format!("{}{PARTIAL}", own("\u{0}"))).replace('\u{0}', "*");
    let inputs = outputs.iter().map(|port| {
        (port.name.clone(), format!("{measurement}:{}{{{OPERATOR_LABEL}={}}}", escape_name(&port.name), request.name))
    });
    let partial = DeployRequest {
        name: partial_name(&request.name),
        output: Some(format!("{}{PARTIAL}", own("{measurement}"))),
        two_stage: false,
        stage: Some(Stage::Partial),
        partial_of: Some(request.name.clone()),
        ..request.clone()
    };
    let combine = DeployRequest {
        inputs: inputs.collect(),
        // What the first stage puts out is behind the journal's present end, wherever it begins to read.
        start: Start::Latest,
        // Results of a window come together; silence says that there are no more.
        idle_close: None,
        merge_partitions: true,
        two_stage: false,
        stage: Some(Stage::Combine),
        ..request.clone()
    };
    Ok((partial, combine))
}

/// The windows of the results of windows: each holds just one stamp. The first stage has waited for what is late.
pub(super) fn combined_shape(shape: Shape) -> Result<Shape, DeployError> {
    match shape.kind {
        Kind::Fixed { every, offset, .. } => {
            Ok(Shape { kind: Kind::Fixed { length: every, every, offset }, is_told: true, lateness: 0, ..shape })
        }
        Kind::Calendar(_) => Ok(Shape { is_told: true, lateness: 0, ..shape }),
        Kind::Sliding { .. } | Kind::Session { .. } => Err(DeployError::invalid(
            "two stages: sliding windows and sessions begin and end with rows, so partitions have different ones: merge_partitions instead",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Kind as PortKind;

    fn ports() -> Vec<Port> {
        ["count", "max"].map(|name| Port { name: name.to_owned(), kind: PortKind::Number }).to_vec()
    }

    #[test]
    fn the_second_stage_reads_what_the_first_one_writes() {
        let json = r#"{"name":"r","plugin":"p","inputs":{"value":"power"},"group_by":["site"],"window":"60s","two_stage":true}"#;
        let request: DeployRequest = serde_json::from_str(json).unwrap();
        let (partial, combine) = split(&request, &ports()).unwrap();
        assert_eq!((partial.name.as_str(), partial.output.as_deref()), ("r-partial", Some("{measurement}_r-partial")));
        assert_eq!((combine.name.as_str(), combine.merge_partitions), ("r", true));
        assert_eq!(combine.inputs["max"], "*_r-partial:max{partial_of=r}");
        assert_eq!(combined_measurement("power_r-partial"), "power_r");
    }

    #[test]
    fn what_cannot_run_in_two_stages_is_refused_with_the_remedy() {
        let check = |json: &str, needle: &str| {
            let request: DeployRequest = serde_json::from_str(json).unwrap();
            let error = split(&request, &ports()).unwrap_err().to_string();
            assert!(error.contains(needle), "{json}: {error}");
        };
        let base = r#"{"name":"r","plugin":"p","inputs":{"value":"power"},"two_stage":true"#;
        check(&format!("{base}}}"), "group_by");
        check(&format!(r#"{base},"group_by":["partition"]}}"#), "label partition");
        check(&format!(r#"{base},"group_by":["partial_of"]}}"#), "label partial_of");
        for several in ["*", "p*:v", "power;water", "power:a;water:a"] {
            let json = format!("{base},\"group_by\":[\"site\"]}}")
                .replace("\"value\":\"power\"", &format!("\"value\":\"{several}\""));
            check(&json, "several measurements");
        }
        check(&format!(r#"{base},"group_by":["site"],"merge_partitions":true}}"#), "leave one");
        check(&format!(r#"{base},"group_by":["site"],"output":"{{measurement}}"}}"#), "a name of its own");
    }
}
