// What the host offers: log lines, and state by key (`kv`) for what is too large for memory or must outlive a new version.
//
// A function that is not called is not imported. Natively, log lines go to standard error and `kv` is a map in memory.
#pragma once

#include <optional>
#include <string_view>

#include "types.hpp"

#ifndef __wasm__
#include <cstdio>
#include <map>
#include <utility>
#endif

namespace tidemill {

enum class Level : std::int32_t { error = 0, warning = 1, information = 2, debug = 3 };

#ifdef __wasm__

#define TIDEMILL_IMPORT(module, function) extern "C" __attribute__((import_module(module), import_name(function)))
TIDEMILL_IMPORT("tidemill:plugin/host@0.2.0", "log")
void tidemill_host_log(std::int32_t level, const char* text, std::size_t length);
TIDEMILL_IMPORT("tidemill:plugin/kv@0.2.0", "get")
void tidemill_kv_get(std::uint32_t group, const char* key, std::size_t length, void* found);
TIDEMILL_IMPORT("tidemill:plugin/kv@0.2.0", "set")
void tidemill_kv_set(std::uint32_t group, const char* key, std::size_t key_length, const char* value, std::size_t length);
TIDEMILL_IMPORT("tidemill:plugin/kv@0.2.0", "remove")
void tidemill_kv_remove(std::uint32_t group, const char* key, std::size_t length);

// Writes a line to the operator's log. A line per row is too much.
inline void log(Level level, std::string_view text) {
    tidemill_host_log(static_cast<std::int32_t>(level), text.data(), text.size());
}

// State by key, kept by the host. Keys and values are bytes.
namespace kv {

// The value of a key of a group, if it has one; valid until the call returns.
inline std::optional<std::string_view> get(std::uint32_t group, std::string_view key) {
    struct Found {
        std::uint8_t some;
        const char* bytes; // in memory of `cabi_realloc`
        std::size_t length;
    } found{};
    static_assert(sizeof(Found) == 12, "the return area of kv.get");
    tidemill_kv_get(group, key.data(), key.size(), &found);
    if (found.some == 0) return std::nullopt;
    return std::string_view(found.bytes, found.length);
}

inline void set(std::uint32_t group, std::string_view key, std::string_view value) {
    tidemill_kv_set(group, key.data(), key.size(), value.data(), value.size());
}

inline void remove(std::uint32_t group, std::string_view key) { tidemill_kv_remove(group, key.data(), key.size()); }

} // namespace kv

#else

inline void log(Level level, std::string_view text) {
    std::fprintf(stderr, "log %d: %.*s\n", static_cast<int>(level), static_cast<int>(text.size()), text.data());
}

namespace kv {

inline std::map<std::pair<std::uint32_t, std::string>, std::string> entries;

inline std::optional<std::string_view> get(std::uint32_t group, std::string_view key) {
    auto entry = entries.find({ group, std::string(key) });
    if (entry == entries.end()) return std::nullopt;
    return entry->second;
}

inline void set(std::uint32_t group, std::string_view key, std::string_view value) {
    entries[{ group, std::string(key) }] = value;
}

inline void remove(std::uint32_t group, std::string_view key) { entries.erase({ group, std::string(key) }); }

} // namespace kv

#endif

// The plugin cannot go on: says why and traps. The host drops the instance and restores the last checkpoint.
[[noreturn]] inline void fail(std::string_view why) {
    log(Level::error, why);
    __builtin_trap();
}

} // namespace tidemill
