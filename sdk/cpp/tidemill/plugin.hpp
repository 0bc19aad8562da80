// What an author writes: a class that is a calculation or an aggregation.
//
//     class Plugin {
//     public:
//         static constexpr std::string_view name = "smooth", version = "1.0.0";
//         static constexpr Port inputs[] = { { "value", Kind::number } };
//         static constexpr Port outputs[] = { { "value", Kind::number } };
//
//         Problem configure(Params& params);                    // once, before any row; optional
//         Problem process(const Batch& input, Output& out);     // new rows in journal order
//         Problem advance(Time watermark, Output& out);         // the only timer; optional
//
//         void save(std::uint32_t group, Writer& writer);       // both, with TIDEMILL_DURABLE_CALCULATION:
//         Problem load(std::uint32_t group, Reader& reader);    // state that moves into a later version
//     };
//
// An aggregation has one input and, instead of `process`:
//
//         Problem aggregate(const Window& window, std::span<double> values);    // one value per output; NaN: none
#pragma once

#include "output.hpp"
#include "params.hpp"
#include "state.hpp"

namespace tidemill {

template <class Plugin>
concept HasConfigure = requires(Plugin plugin, Params& params) { plugin.configure(params); };
template <class Plugin>
concept HasAdvance = requires(Plugin plugin, Output& out) { plugin.advance(Time{}, out); };

// Reads the parameters, lets the plugin take them, and refuses what is left.
template <class Plugin> Problem configured(Plugin& plugin, std::string_view json) {
    Params params(json);
    Problem own;
    if constexpr (HasConfigure<Plugin>) {
        if (!params.is_unreadable()) own = plugin.configure(params);
    }
    return std::move(params).finish(std::move(own));
}

template <class Plugin> Problem advanced(Plugin& plugin, Time watermark, Output& out) {
    if constexpr (HasAdvance<Plugin>) return plugin.advance(watermark, out);
    return {};
}

} // namespace tidemill
