// What the JavaScript engine runs first: it hands memory and imports to the plugin's module and the plugin's functions to the engine.
//
// It replaces the bindings that componentize-js generates, which cost 150 us per call and 5 us per run of rows. The order of
// `$bindings` is: memory, realloc, dealloc, then the imports in the order of plugin.wit; an import with an area for results allocates it
// and returns its address. `$bindings`, `$source_mod` and `defineBuiltinModule` are the engine's.

const [memory, realloc, dealloc, log, get, set, remove] = $bindings;
delete globalThis.$bindings;
defineBuiltinModule('tidemill:abi', { memory, realloc, dealloc, log, get, set, remove });

let plugin;

function bindExports() {
  plugin = $source_mod.plugin;
}

function export_contract() {
  return plugin.contract();
}

function export_describe(...args) {
  return plugin.describe(...args);
}

function export_configure(...args) {
  return plugin.configure(...args);
}

function export_process(...args) {
  return plugin.process(...args);
}

function export_advance(...args) {
  return plugin.advance(...args);
}

function export_aggregate(...args) {
  return plugin.aggregate(...args);
}

function export_save(...args) {
  return plugin.save(...args);
}

function export_load(...args) {
  return plugin.load(...args);
}
