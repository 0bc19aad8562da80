//! What an operator is deployed with: the request as users write it, and the same thing checked and parsed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidemill_model::series::escape_name;
use tidemill_model::{Selector, SeriesKey, ValueType};

use crate::error::DeployError;
use crate::guest::{About, Kind, Limits, Port, World};
use crate::operator::layout::Layout;
use crate::operator::stage::{OPERATOR_LABEL, PARTITION_LABEL, Stage, combined_measurement, combined_shape};
use crate::operator::start::Start;
use crate::operator::windows::{Shape, WindowRequest};

/// Longest name of an operator, characters.
const NAME_CHARS_MAX: usize = 64;
/// How long samples may be late unless the operator says otherwise.
const DEFAULT_LATENESS: &str = "2s";
/// More frequent checkpoints cost more than what they save.
const CHECKPOINT_EVERY_MIN: Duration = Duration::from_millis(100);
/// The output's measurement unless the operator says otherwise.
pub(super) const DEFAULT_OUTPUT: &str = "{measurement}_{operator}";

/// What an operator does about rows that its plugin fails on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It puts exactly those into the quarantine and goes on.
    #[default]
    Quarantine,
    /// It stops before their record, says why, and tries again when it is resumed.
    Halt,
}

impl OnError {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A plugin to be deployed, as users write it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployRequest {
    /// The operator's name: letters, digits, `-` and `_`.
    pub name: String,
    /// Name or hash of an installed plugin.
    pub plugin: String,
    /// Selectors of input ports, at least one; a port without one gets nothing. A series that several ports select goes to
    /// the first one.
    pub inputs: BTreeMap<String, String>,
    /// Series with equal values of these labels form a group; absent: every series is its own group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<Vec<String>>,
    /// One instance reads all partitions in one order, so that a group may have series in several of them: by the time of
    /// appending, then by partition. Otherwise every partition has an instance of its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub merge_partitions: bool,
    /// An aggregation runs once per partition and once more over the results: the other way for groups with series in several
    /// partitions. The first stage becomes an operator of its own, `NAME-partial`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub two_stage: bool,
    /// Which of two stages this is; the node says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The operator whose first stage this is; the node says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_of: Option<String>,
    /// The output's measurement; `{measurement}` and `{operator}` are filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Handed to the plugin as they are.
    #[serde(default)]
    pub params: serde_json::Map<String, serde_json::Value>,
    /// The windows of an aggregation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowRequest>,
    /// How much later than the newest sample others may come and still count as in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateness: Option<String>,
    /// How long a group must have been silent before heartbeats close its windows: from its first heartbeat without a new
    /// row on. Nothing: at the second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_close: Option<String>,
    /// Where to begin.
    #[serde(default)]
    pub start: Start,
    /// What happens to rows that the plugin fails on.
    #[serde(default, skip_serializing_if = "OnError::is_default")]
    pub on_error: OnError,
    /// How often the state is captured, such as `500ms`; the node decides if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<String>,
    /// What the plugin may use.
    #[serde(default)]
    pub limits: Limits,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A deployed operator, checked and parsed.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) generation: u64,
    pub(crate) hash: String,
    pub(crate) world: World,
    /// The input ports in the plugin's order: their selector, if they have one, and what they take.
    pub(crate) inputs: Vec<(Option<Selector>, Kind)>,
    /// The output ports, in the plugin's order.
    pub(crate) outputs: Vec<Port>,
    /// What each output port carries.
    pub(crate) output_kinds: Vec<Kind>,
    pub(crate) group_by: Option<Vec<String>>,
    merges: bool,
    pub(crate) stage: Option<Stage>,
    partial_of: Option<String>,
    pub(crate) template: String,
    pub(crate) params: String,
    /// `None` for calculations.
    pub(crate) windows: Option<Shape>,
    pub(crate) lateness_ns: i64,
    pub(crate) on_error: OnError,
    /// Absent: as the node does it.
    pub(crate) checkpoint_every: Option<Duration>,
    pub(crate) limits: Limits,
    /// Selects whatever has the shape of this operator's outputs. Those are never its inputs: neither its own nor those
    /// of an earlier generation or of another partition.
    own: Selector,
}

impl Spec {
    /// Checks a request against what the plugin says of itself.
    pub(crate) fn new(
        request: &DeployRequest,
        (hash, generation): (&str, u64),
        world: World,
        about: &About,
    ) -> Result<Self, DeployError> {
        check_name(&request.name)?;
        request.limits.check().map_err(DeployError::invalid)?;
        let inputs = match request.stage {
            // It takes what the first stage has put out.
            Some(Stage::Combine) => inputs(request, &About { inputs: about.outputs.clone(), ..about.clone() })?,
            _ => inputs(request, about)?,
        };
        let template = request.output.as_deref().unwrap_or(DEFAULT_OUTPUT).to_owned();
        let lateness_ns = duration("lateness", request.lateness.as_deref().unwrap_or(DEFAULT_LATENESS))?;
        let windows = windows(request, world, lateness_ns)?;
        let windows = match request.stage {
            Some(Stage::Combine) => windows.map(combined_shape).transpose()?,
            _ => windows,
        };
        check_template(&template, request.group_by.is_some(), about)?;
        let shape = own_shape(&template, request, &about.outputs);
        let own = shape.parse().map_err(|error| DeployError::invalid(format!("output {template:?}: {error}")))?;
        Ok(Self {
            name: request.name.clone(),
            generation,
            hash: hash.to_owned(),
            world,
            inputs,
            outputs: about.outputs.clone(),
            output_kinds: about.outputs.iter().map(|port| port.kind).collect(),
            group_by: request.group_by.clone(),
            merges: request.merge_partitions,
            stage: request.stage,
            partial_of: request.partial_of.clone(),
            template,
            params: serde_json::Value::Object(request.params.clone()).to_string(),
            windows,
            lateness_ns,
            on_error: request.on_error,
            checkpoint_every: checkpoint_every(request)?,
            limits: request.limits,
            own,
        })
    }

    /// Its instances on a journal of so many partitions.
    pub(crate) fn layout(&self, partitions: u32) -> Layout {
        Layout { merges: self.merges, partitions }
    }

    /// The port that takes a series with values of this type, if any does.
    pub(crate) fn port_of(&self, key: &SeriesKey, value_type: ValueType) -> Option<u32> {
        if self.own.matches(key) {
            return None;
        }
        let kind = if value_type == ValueType::Text { Kind::Text } else { Kind::Number };
        let selects = |selector: &Option<Selector>| selector.as_ref().is_some_and(|selector| selector.matches(key));
        let port = self.inputs.iter().position(|(selector, takes)| *takes == kind && selects(selector))?;
        Some(port as u32)
    }

    /// Whether this operator's outputs can be inputs of `other`.
    pub(crate) fn feeds(&self, other: &Spec) -> bool {
        let takes = |kind: Kind| self.output_kinds.contains(&kind);
        other.inputs.iter().any(|(selector, kind)| {
            takes(*kind) && selector.as_ref().is_some_and(|selector| self.own.overlaps(selector))
        })
    }

    /// How much later than a source time the rows may be stamped that its outputs depend on, ns.
    pub(crate) fn reach_ns(&self) -> i64 {
        let windows = self.windows.map_or(0, |shape| shape.reach_ns());
        windows.saturating_add(self.lateness_ns).saturating_add(1)
    }

    /// Whether its outputs can go to a series of this name.
    pub(crate) fn makes(&self, key: &SeriesKey) -> bool {
        self.own.matches(key)
    }

    /// The values of the group's labels; `None` if the series lacks one of them.
    pub(crate) fn group_of(&self, key: &SeriesKey) -> Option<Vec<String>> {
        let labels = self.group_by.as_deref().unwrap_or_default();
        labels.iter().map(|name| key.label(name).map(str::to_owned)).collect()
    }

    /// The key of what the group with `first` as its first member, of input partition `partition`, sends to output port `port`.
    pub(crate) fn output_key(&self, first: &SeriesKey, port: usize, partition: u32) -> Result<SeriesKey, String> {
        let measurement = match self.stage {
            Some(Stage::Combine) => combined_measurement(first.measurement()).to_owned(),
            _ => fill(&self.template, first.measurement(), &self.name),
        };
        let name = &self.outputs[port].name;
        let (field, labels) = match &self.group_by {
            Some(names) => {
                let label = |name: &String| Some((name.clone(), first.label(name)?.to_owned()));
                let mut labels: Vec<_> = names.iter().filter_map(label).collect();
                if self.stage == Some(Stage::Partial) {
                    labels.push((PARTITION_LABEL.to_owned(), partition.to_string()));
                    let of = self.partial_of.iter().map(|name| (OPERATOR_LABEL.to_owned(), name.clone()));
                    labels.extend(of);
                }
                (name.clone(), labels)
            }
            None if name == "value" => (first.field().to_owned(), first.labels().to_vec()),
            None => (format!("{}_{name}", first.field()), first.labels().to_vec()),
        };
        SeriesKey::new(measurement, field, labels).map_err(|error| error.to_string())
    }
}

pub(super) fn fill(template: &str, measurement: &str, operator: &str) -> String {
    template.replace("{operator}", operator).replace("{measurement}", measurement)
}

fn own_shape(template: &str, request: &DeployRequest, outputs: &[Port]) -> String {
    const MARK: &str = "\u{0}";
    let measurement = escape_name(&fill(template, MARK, &request.name)).replace(MARK, "*");
    let labels = request.partial_of.as_ref().map_or_else(String::new, |name| format!("{{{OPERATOR_LABEL}={name}}}"));
    let shape = |port: &Port| match port.name.as_str() {
        _ if request.group_by.is_some() => format!("{measurement}:{}{labels}", escape_name(&port.name)),
        "value" => format!("{measurement}:*"),
        name => format!("{measurement}:*_{}", escape_name(name)),
    };
    outputs.iter().map(shape).collect::<Vec<_>>().join(";")
}

fn check_name(name: &str) -> Result<(), DeployError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(fits) {
        let reason = format!("operator name {name:?} must have 1 to {NAME_CHARS_MAX} letters, digits, - or _");
        return Err(DeployError::invalid(reason));
    }
    Ok(())
}

fn inputs(request: &DeployRequest, about: &About) -> Result<Vec<(Option<Selector>, Kind)>, DeployError> {
    let has = || about.inputs.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = request.inputs.keys().find(|name| about.inputs.iter().all(|port| port.name != **name)) {
        let reason = format!("plugin {} has no input {unknown:?}; it has: {}", about.name, has());
        return Err(DeployError::invalid(reason));
    }
    if request.inputs.is_empty() {
        let reason = format!("plugin {} needs a selector for at least one of its inputs: {}", about.name, has());
        return Err(DeployError::invalid(reason));
    }
    let selector = |port: &Port| {
        let name = &port.name;
        let selector = request.inputs.get(name).map(|text| text.parse()).transpose();
        let selector = selector.map_err(|error| DeployError::invalid(format!("input {name:?}: {error}")))?;
        Ok((selector, port.kind))
    };
    about.inputs.iter().map(selector).collect()
}

fn windows(request: &DeployRequest, world: World, lateness: i64) -> Result<Option<Shape>, DeployError> {
    let idle_close = duration("idle_close", request.idle_close.as_deref().unwrap_or("0s"))?;
    match (world, &request.window) {
        (World::Calculation, None) if request.idle_close.is_none() => Ok(None),
        (World::Calculation, _) => {
            Err(DeployError::invalid("a calculation has no window: leave it out, or deploy an aggregation"))
        }
        (World::Aggregation, None) => Err(DeployError::invalid("an aggregation needs a window, such as \"60s\"")),
        (World::Aggregation, Some(window)) => {
            Ok(Some(Shape { kind: window.kind()?, lateness, idle_close, is_told: false }))
        }
    }
}

fn checkpoint_every(request: &DeployRequest) -> Result<Option<Duration>, DeployError> {
    let Some(text) = &request.checkpoint_every else {
        return Ok(None);
    };
    let every = Duration::from_nanos(duration("checkpoint_every", text)?.unsigned_abs());
    if every < CHECKPOINT_EVERY_MIN {
        return Err(DeployError::invalid(format!("checkpoint_every {text:?} must be 100ms or more")));
    }
    Ok(Some(every))
}

fn check_template(template: &str, grouped: bool, about: &About) -> Result<(), DeployError> {
    if template.is_empty() || template.contains([';', '*', '\u{0}']) {
        return Err(DeployError::invalid(format!("output {template:?} must be a name without ; and *")));
    }
    if template == "{measurement}" && !grouped && about.outputs.iter().any(|port| port.name == "value") {
        let reason =
            "output \"{measurement}\" would overwrite the input: add to it, as in \"{measurement}_{operator}\"";
        return Err(DeployError::invalid(reason));
    }
    Ok(())
}

/// Parses `60s`, `500ms`, `1m`, `1h`, `1d`, `100us` or `5ns` into nanoseconds.
pub(crate) fn duration(what: &str, text: &str) -> Result<i64, DeployError> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_ns = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => 0i64,
    };
    let parsed = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit_ns)).filter(|_| unit_ns > 0);
    parsed
        .ok_or_else(|| DeployError::invalid(format!("{what} {text:?} is not a duration such as 500ms, 60s, 5m or 1h")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A spec for tests that only need one.
    pub(crate) fn some_spec() -> Spec {
        let json = r#"{"name":"s","plugin":"p","inputs":{"value":"power"}}"#;
        spec(json, World::Calculation, &about(&["value"], &["value"])).expect("a good request")
    }

    fn about(inputs: &[&str], outputs: &[&str]) -> About {
        let own = |names: &[&str]| names.iter().map(|n| Port { name: (*n).to_owned(), kind: Kind::Number }).collect();
        About { name: "p".into(), version: "1".into(), inputs: own(inputs), outputs: own(outputs) }
    }

    fn spec(json: &str, world: World, about: &About) -> Result<Spec, String> {
        let request: DeployRequest = serde_json::from_str(json).map_err(|e| e.to_string())?;
        Spec::new(&request, ("hash", 1), world, about).map_err(|e| e.to_string())
    }

    fn key(text: &str) -> SeriesKey {
        text.parse().expect("a key")
    }

    #[test]
    fn outputs_are_named_after_the_series_or_after_the_group() {
        let plugin = about(&["value"], &["value", "max"]);
        let own = spec(r#"{"name":"r","plugin":"p","inputs":{"value":"*"}}"#, World::Calculation, &plugin).unwrap();
        let first = key("turbine:power{site=A,unit=T1}");
        assert_eq!(own.output_key(&first, 0, 0), Ok(key("turbine_r:power{site=A,unit=T1}")));
        assert_eq!(own.output_key(&first, 1, 0), Ok(key("turbine_r:power_max{site=A,unit=T1}")));
        let json = r#"{"name":"r","plugin":"p","inputs":{"value":"*"},"group_by":["site"],"output":"park"}"#;
        let grouped = spec(json, World::Calculation, &plugin).unwrap();
        assert_eq!(grouped.output_key(&first, 1, 0), Ok(key("park:max{site=A}")));
    }

    #[test]
    fn an_operator_never_reads_what_has_the_shape_of_its_outputs() {
        let plugin = about(&["value"], &["value"]);
        let spec = spec(r#"{"name":"r","plugin":"p","inputs":{"value":"*"}}"#, World::Calculation, &plugin).unwrap();
        assert_eq!(spec.port_of(&key("turbine:power"), ValueType::Float), Some(0));
        assert_eq!(spec.port_of(&key("turbine_r:power"), ValueType::Float), None);
    }

    #[test]
    fn an_input_without_a_selector_gets_nothing() {
        let plugin = about(&["a", "b", "c"], &["value"]);
        let json = r#"{"name":"r","plugin":"p","inputs":{"b":"turbine:power","c":"*"}}"#;
        let spec = spec(json, World::Calculation, &plugin).unwrap();
        assert_eq!(spec.port_of(&key("turbine:power"), ValueType::Float), Some(1));
        assert_eq!(spec.port_of(&key("turbine:flow"), ValueType::Float), Some(2));
    }

    #[test]
    fn a_wrong_request_is_refused_with_the_remedy() {
        let plugin = about(&["value"], &["value"]);
        let check = |json: &str, world, needle: &str| {
            let error = spec(json, world, &plugin).err().unwrap_or_default();
            assert!(error.contains(needle), "{json}: {error}");
        };
        check(r#"{"name":"a b","plugin":"p","inputs":{"value":"*"}}"#, World::Calculation, "letters");
        check(r#"{"name":"a","plugin":"p","inputs":{}}"#, World::Calculation, "needs a selector");
        check(r#"{"name":"a","plugin":"p","inputs":{"value":"*","x":"*"}}"#, World::Calculation, "it has: value");
        check(r#"{"name":"a","plugin":"p","inputs":{"value":":"}}"#, World::Calculation, "selector");
        check(r#"{"name":"a","plugin":"p","inputs":{"value":"*"}}"#, World::Aggregation, "needs a window");
        check(r#"{"name":"a","plugin":"p","inputs":{"value":"*"},"window":"60"}"#, World::Aggregation, "duration");
        check(r#"{"name":"a","plugin":"p","inputs":{"value":"*"},"window":"60s"}"#, World::Calculation, "no window");
        check(
            r#"{"name":"a","plugin":"p","inputs":{"value":"*"},"output":"{measurement}"}"#,
            World::Calculation,
            "overwrite",
        );
        check(
            r#"{"name":"a","plugin":"p","inputs":{"value":"*"},"limits":{"output_rows":0}}"#,
            World::Calculation,
            "output_rows",
        );
        check(
            r#"{"name":"a","plugin":"p","inputs":{"value":"*"},"checkpoint_every":"99ms"}"#,
            World::Calculation,
            "100ms or more",
        );
    }
}
