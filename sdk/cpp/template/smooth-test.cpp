// Native tests of the plugin: rows in, lines `group port time value quality` out. Every number was computed by hand.
#include "smooth.cpp"

#include "../tidemill/testing.hpp"

#include <limits>

using tidemill::testing::Harness;

static tidemill::testing::Checks check;

static constexpr Quality bad = 0x80000000, uncertain = 0x40000000;
static constexpr Time second = 1'000'000'000;

static void every_group_has_its_own_mean() {
    Harness<Plugin> plugin(R"({"alpha": 0.5})");
    const Row rows[] = { { 0, 0, 10, 8 }, { 0, 0, 20, 16, uncertain }, { 1, 0, 10, 100 }, { 0, 0, 30, 4 } };
    check.equal(plugin.process(rows), "0 state 10 \"fresh\" 0\n"
                                      "0 value 10 8 0\n"
                                      "0 value 20 12 1073741824\n"
                                      "1 state 10 \"fresh\" 0\n"
                                      "1 value 10 100 0\n"
                                      "0 value 30 8 0\n");
}

static void bad_late_and_missing_values_are_skipped() {
    Harness<Plugin> plugin(R"({"alpha": 0.5})");
    const Row first[] = { { 0, 0, 10, 1, bad }, { 0, 0, 11, std::nan("") }, { 0, 0, 20, 8 } };
    check.equal(plugin.process(first), "0 state 20 \"fresh\" 0\n0 value 20 8 0\n");
    const Row second_batch[] = { { 0, 0, 19, 99 }, { 0, 0, 20, 4 } };
    check.equal(plugin.process(second_batch), "0 value 20 6 0\n");
}

static void silence_makes_stale_and_a_sample_fresh_again() {
    Harness<Plugin> plugin(R"({"alpha": 0.5, "stale_s": 2})");
    const Row rows[] = { { 0, 0, second, 8 }, { 1, 0, 3 * second, 8 } };
    plugin.process(rows);
    check.equal(plugin.advance(3 * second - 1), "");
    check.equal(plugin.advance(4 * second), "0 state 3000000000 \"stale\" 0\n");
    check.equal(plugin.advance(9 * second), "1 state 5000000000 \"stale\" 0\n");
    const Row again[] = { { 0, 0, 9 * second, 4 } };
    check.equal(plugin.process(again), "0 state 9000000000 \"fresh\" 0\n0 value 9000000000 6 0\n");
}

static void without_a_limit_nothing_gets_stale() {
    Harness<Plugin> plugin(R"({"alpha": 1})");
    const Row rows[] = { { 0, 0, 0, 8 } };
    plugin.process(rows);
    check.equal(plugin.advance(std::numeric_limits<Time>::max()), "");
}

static void wrong_parameters_are_named() {
    static constexpr std::string_view cases[][2] = {
        { "{}", "parameter `alpha` is missing; give a number" },
        { R"({"alpha": 0})", "parameter `alpha` must lie above 0 and be at most 1" },
        { R"({"alpha": 1.1})", "parameter `alpha` must lie above 0 and be at most 1" },
        { R"({"alpha": "1"})", "parameter `alpha` is a string, but must be a number" },
        { R"({"alpha": 1, "stale_s": -1})", "parameter `stale_s` must be 0 or more, and at most 9e9" },
        { R"({"alpha": 1, "stale": 1})", "parameter `stale` is unknown; this plugin takes `alpha`, `stale_s`" },
    };
    for (const auto& [params, wanted] : cases) {
        Harness<Plugin> plugin(params);
        check.holds(plugin.problem.code == 1, "wrong parameters have the code 1");
        check.equal(plugin.problem.text, wanted);
    }
}

int main() {
    every_group_has_its_own_mean();
    bad_late_and_missing_values_are_skipped();
    silence_makes_stale_and_a_sample_fresh_again();
    without_a_limit_nothing_gets_stale();
    wrong_parameters_are_named();
    return check.report();
}
