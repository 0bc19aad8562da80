// Drives a plugin from a native test: rows in, what was emitted out, as readable lines. No host, no WebAssembly.
#pragma once

#include <cinttypes>
#include <cmath>
#include <cstdio>

#include "plugin.hpp"

namespace tidemill::testing {

// Counts what was checked; `report` gives the exit code.
class Checks {
public:
    void holds(bool condition, std::string_view what) {
        count++;
        if (condition) return;
        failures++;
        std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
    }

    void equal(std::string_view got, std::string_view wanted) {
        count++;
        if (got == wanted) return;
        failures++;
        std::fprintf(stderr, "got\n%.*s\n  instead of\n%.*s\n", static_cast<int>(got.size()), got.data(),
                     static_cast<int>(wanted.size()), wanted.data());
    }

    int report() const {
        std::fprintf(stderr, "%d checks, %d failed\n", count, failures);
        return failures > 0;
    }

private:
    int count = 0, failures = 0;
};

// A calculation with its parameters, a JSON object as in a deployment.
template <class Plugin> class Harness {
public:
    explicit Harness(std::string_view params) : problem(configured(plugin, params)) {}

    // Passes rows in one batch, in their order, and returns a line `group port time value quality` per row emitted; texts are in
    // quotes. `texts` are what rows of text ports refer to.
    std::string process(std::span<const Row> rows, std::span<const std::string_view> texts = {}) {
        Output in(Plugin::inputs);
        for (const Row& row : rows) in.push(row);
        Batch batch = in.batch();
        batch.texts = texts;
        out.clear(rows.size());
        problem = plugin.process(batch, out);
        return emitted();
    }

    // Moves the watermark.
    std::string advance(Time watermark) {
        out.clear(0);
        problem = advanced(plugin, watermark, out);
        return emitted();
    }

    Plugin plugin{};
    Problem problem; // of the last call

private:
    std::string emitted() const {
        std::string lines;
        char number[64];
        Batch batch = out.batch();
        for (Row row : batch.rows()) {
            const Port& port = Plugin::outputs[row.port];
            lines += std::to_string(row.group).append(" ").append(port.name) + " " + std::to_string(row.time) + " ";
            std::snprintf(number, sizeof number, "%.17g", row.value);
            lines += port.kind == Kind::number ? number : "\"" + std::string(batch.text(row)) + "\"";
            lines += " " + std::to_string(row.quality) + "\n";
        }
        return lines;
    }

    Output out{ Plugin::outputs };
};

// Passes one window of rows to an aggregation.
template <class Plugin> std::vector<double> aggregate(Plugin& plugin, const Window& window) {
    std::vector<double> values(std::size(Plugin::outputs), std::nan(""));
    Problem problem = plugin.aggregate(window, values);
    if (problem) values.clear();
    return values;
}

} // namespace tidemill::testing
