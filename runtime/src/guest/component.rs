//! Components: finding the plugin's core module in one.
//!
//! A component is a plugin's core module with a description of its interface and, perhaps, adapters around it. The host
//! calls the core module by the canonical ABI itself and knows the interface, so the module is all it needs. Every check of
//! a core module is then made on it; one that leans on adapters is refused for its imports.

use wasmparser::{Parser, Payload};

use super::inspect::refused;
use crate::error::InstallError;

/// What tells the plugin's module from adapters and shims.
const MARK: &str = "describe";

/// The one core module of a component that exports `describe`.
pub(super) fn core_module(component: &[u8]) -> Result<&[u8], InstallError> {
    let damaged = |error: wasmparser::BinaryReaderError| InstallError::NotWasm { reason: error.to_string() };
    let mut found = Vec::new();
    let mut module = None;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(damaged)? {
            Payload::ModuleSection { unchecked_range, .. } => module = component.get(unchecked_range),
            Payload::ExportSection(exports) => {
                for export in exports {
                    if export.map_err(damaged)?.name == MARK {
                        found.extend(module);
                    }
                }
            }
            _ => {}
        }
    }
    match found.as_slice() {
        [module] => Ok(module),
        _ => Err(refused(format!(
            "it is a component with {} core modules that export {MARK:?}, and has to have one; pass the core module itself",
            found.len()
        ))),
    }
}
