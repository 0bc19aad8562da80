// smooth: an exponential mean of every series, and whether it is fresh or stale.
//
// Deploy it on some series, and each gets two new ones: `value`, the mean, and `state`, a text that says "fresh" when samples come
// (again) and "stale" when none came for `stale_s` seconds.
#include "../tidemill/tidemill.hpp"

using namespace tidemill;

class Plugin {
public:
    static constexpr std::string_view name = "smooth", version = "1.0.0";
    static constexpr Port inputs[] = { { "value", Kind::number } };
    static constexpr Port outputs[] = { { "value", Kind::number }, { "state", Kind::text } };
    enum { value_port, state_port }; // their numbers

    // Takes the parameters by name and type. The SDK refuses what is missing, mistyped or unknown; ranges are checked here.
    Problem configure(Params& params) {
        alpha = params.number("alpha");
        double stale_s = params.number_or("stale_s", 0);
        if (!(alpha > 0 && alpha <= 1)) return wrong_parameter("alpha", "must lie above 0 and be at most 1");
        if (!(stale_s >= 0 && stale_s <= 9e9)) return wrong_parameter("stale_s", "must be 0 or more, and at most 9e9");
        stale_ns = static_cast<Time>(stale_s * 1e9);
        return {};
    }

    // New rows, in the order they arrived.
    Problem process(const Batch& input, Output& out) {
        for (Row row : input.rows()) {
            Series& s = groups[row.group];
            bool is_late = s.seen && row.time < s.newest;
            if (is_bad(row.quality) || std::isnan(row.value) || is_late) continue;

            s.level = s.seen ? s.level + alpha * (row.value - s.level) : row.value;
            s.newest = row.time;
            if (!s.seen || s.stale) out.emit_text(row.group, state_port, row.time, "fresh");
            s.seen = true;
            s.stale = false;
            out.emit(row.group, value_port, row.time, s.level, row.quality);
        }
        return {};
    }

    // Rows before the watermark are not expected any more. The result gets the time at which the series went stale, not the
    // watermark's: then it does not depend on when the watermark moved.
    Problem advance(Time watermark, Output& out) {
        for (std::uint32_t group = 0; group < groups.size() && stale_ns > 0; group++) {
            Series& s = groups[group];
            if (!s.seen || s.stale || watermark - s.newest < stale_ns) continue;
            s.stale = true;
            out.emit_text(group, state_port, s.newest + stale_ns, "stale");
        }
        return {};
    }

private:
    // What is remembered of a group: here, of one series.
    struct Series {
        bool seen = false, stale = false;
        double level = 0; // the mean so far
        Time newest = 0;  // source time of the newest sample taken
    };

    // Parameters and state are plain members: the host saves the memory of the plugin and restores it after a crash.
    double alpha = 0;  // weight of a new sample, above 0 and at most 1
    Time stale_ns = 0; // 0: never stale
    Groups<Series> groups;
};

TIDEMILL_CALCULATION(Plugin)
