//! From what the engine knows of a failure to functions and lines.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use wasmtime::{FrameInfo, Module, WasmBacktrace};

use super::map::{Frame, SourceMap, cut};

/// Functions named of a failure, innermost first.
const FRAMES_MAX: usize = 4;

/// The modules of a plugin with what is known of their sources.
#[derive(Clone, Default)]
pub(crate) struct Sources(Arc<[ModuleSource]>);

struct ModuleSource {
    module: Module,
    map: OnceLock<Option<SourceMap>>,
    /// The file of the map, to be read at the first failure.
    file: Option<PathBuf>,
}

impl Sources {
    /// Those of modules whose maps are at hand.
    pub(crate) fn at_hand(modules: &[Module], maps: Vec<Option<SourceMap>>) -> Self {
        let source =
            |(module, map): (&Module, _)| ModuleSource { module: module.clone(), map: OnceLock::from(map), file: None };
        Self(modules.iter().zip(maps).map(source).collect())
    }

    /// Those of modules whose maps lie in files.
    pub(crate) fn in_files(modules: &[Module], files: Vec<PathBuf>) -> Self {
        let source = |(module, file): (&Module, _)| ModuleSource {
            module: module.clone(),
            map: OnceLock::new(),
            file: Some(file),
        };
        Self(modules.iter().zip(files).map(source).collect())
    }

    /// The map of each module.
    pub(crate) fn maps(&self) -> impl Iterator<Item = Option<&SourceMap>> {
        self.0.iter().map(ModuleSource::map)
    }

    /// The functions of a failure, innermost first, as text: `half (smooth.c:12) < process`; empty if none is known.
    pub(crate) fn describe(&self, error: &wasmtime::Error) -> String {
        let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
            return String::new();
        };
        let frames: Vec<_> = trace.frames().iter().flat_map(|frame| self.frames(frame)).collect();
        let text = |frame: Frame<'_>| match (frame.function, frame.at) {
            (function, Some((file, line))) => Some(format!("{} ({file}:{line})", function.unwrap_or("?"))),
            (function, None) => function.map(str::to_owned),
        };
        told(&frames).filter_map(text).collect::<Vec<_>>().join(" < ")
    }

    fn frames<'a>(&'a self, frame: &'a FrameInfo) -> Vec<Frame<'a>> {
        let is_of = |source: &&ModuleSource| source.module.text().as_ptr() == frame.module().text().as_ptr();
        let map = self.0.iter().find(is_of).and_then(ModuleSource::map);
        let position = frame.module_offset().and_then(|offset| u32::try_from(offset).ok());
        let known: Vec<_> = map.zip(position).into_iter().flat_map(|(map, position)| map.frames(position)).collect();
        if known.is_empty() { vec![Frame { function: frame.func_name().map(cut), at: None }] } else { known }
    }
}

/// What is told of all frames: the innermost one, and with it those in the author's files if there are any.
fn told<'a>(frames: &[Frame<'a>]) -> impl Iterator<Item = Frame<'a>> {
    let has_own = frames.iter().any(|frame| frame.at.is_some());
    let told = frames.iter().enumerate().filter(move |(number, frame)| *number == 0 || !has_own || frame.at.is_some());
    told.map(|(_, frame)| *frame).take(FRAMES_MAX)
}

impl ModuleSource {
    fn map(&self) -> Option<&SourceMap> {
        let read = || serde_json::from_slice(&std::fs::read(self.file.as_ref()?).ok()?).ok();
        self.map.get_or_init(read).as_ref()
    }
}
