// Rows and texts in and out, key-value state, saved state and aggregations.
#include "../tidemill/tidemill.hpp"

#include "../tidemill/testing.hpp"

using namespace tidemill;

static testing::Checks check;

struct Tally {
    std::int64_t count = 0;
    double sum = 0;
};

// Input 0: emits the mean of each run. Input 1: emits the text before this one.
struct Plugin {
    static constexpr std::string_view name = "tally", version = "1";
    static constexpr Port inputs[] = { { "value" }, { "text", Kind::text } };
    static constexpr Port outputs[] = { { "mean" }, { "before", Kind::text } };
    Groups<Tally> groups;

    Problem process(const Batch& input, Output& out) {
        for (Run run : input.runs()) {
            if (run.port != 0) continue;
            Tally& tally = groups[run.group];
            for (double value : run.values) tally.sum += value;
            tally.count += static_cast<std::int64_t>(run.values.size());
            out.emit(run.group, 0, run.t0 + run.dt.back(), tally.sum / static_cast<double>(tally.count));
        }
        for (Row row : input.rows()) {
            if (row.port != 1) continue;
            std::string_view text = input.text(row);
            if (text == "refuse") return { 100, "asked to refuse" };
            out.emit_text(row.group, 1, row.time, kv::get(row.group, "last").value_or("nothing"), row.quality);
            if (text == "forget") kv::remove(row.group, "last");
            else kv::set(row.group, "last", text);
        }
        return {};
    }

    void save(std::uint32_t group, Writer& writer) { writer.write(groups[group]); }
    Problem load(std::uint32_t group, Reader& reader) {
        return reader.read(groups[group]) ? Problem() : Problem{ 101, "too short" };
    }
};
TIDEMILL_DURABLE_CALCULATION(Plugin)

static void rows_texts_and_keys_pass() {
    testing::Harness<Plugin> plugin("{}");
    const std::string_view texts[] = { "open", "shut", "forget" };
    const Row rows[] = { { 2, 0, 10, 1 },    { 2, 0, 20, 2 }, { 2, 1, 10, 0 }, { 2, 1, 15, 1, 7 },
                         { 2, 1, 16, 2 }, { 2, 1, 17, 0 }, { 0, 1, 5, 1 } };
    check.equal(plugin.process(rows, texts), "2 mean 20 1.5 0\n"
                                             "2 before 10 \"nothing\" 0\n"
                                             "2 before 15 \"open\" 7\n"
                                             "2 before 16 \"shut\" 0\n"
                                             "2 before 17 \"nothing\" 0\n"
                                             "0 before 5 \"nothing\" 0\n");
    const std::string_view refuse[] = { "refuse" };
    const Row row[] = { { 0, 1, 0, 0 } };
    plugin.process(row, refuse);
    check.holds(plugin.problem.code == 100, "the plugin's own problem comes out");
}

static void a_saved_state_can_be_loaded() {
    Plugin old, next;
    old.groups[5] = { 3, 6.5 };
    Writer writer;
    old.save(5, writer);
    Reader whole(writer.bytes), cut(std::string_view(writer.bytes).substr(1));
    check.holds(!next.load(5, whole), "a whole state is taken");
    check.holds(next.groups[5].count == 3 && next.groups[5].sum == 6.5, "it is the same");
    check.holds(next.load(5, cut).code == 101, "a cut state is refused");
}

static void runs_break_where_time_goes_back() {
    static constexpr Port port[] = { { "value" } };
    Output out(port);
    for (Time time : { 5, 5, 6, 4, 9 }) out.emit(0, 0, time, 0);
    Batch batch = out.batch();
    check.holds(batch.heads.size() == 2 && batch.heads[0].rows == 3 && batch.heads[1].rows == 2, "two runs, 3 and 2 rows");
    check.holds(batch.t0 == 5 && batch.dt[3] == -1 && batch.qualities.empty(), "relative times, no qualities");
}

static void many_texts_keep_the_order_of_first_use() {
    static constexpr Port port[] = { { "text", Kind::text } };
    Output out(port);
    for (int call = 0; call < 3; call++) {
        out.clear(0);
        for (int i = 0; i < 3000; i++) out.emit_text(0, 0, i, "text " + std::to_string(i % 1000));
        Batch batch = out.batch();
        check.holds(batch.texts.size() == 1000 && batch.values[2999] == 999, "each text stands there once");
        check.equal(batch.texts[500], "text 500");
    }
}

struct Most {
    static constexpr Port outputs[] = { { "most" } };

    Problem aggregate(const Window& window, std::span<double> values) {
        for (std::size_t i = 0; i < window.size(); i++) {
            if (!is_bad(window.quality(i)) && !(values[0] >= window.values[i])) values[0] = window.values[i];
        }
        return {};
    }
};

static void an_aggregation_gives_a_value_or_none() {
    Most most;
    const std::int64_t dt[] = { 0, 1, 2 };
    const double values[] = { 1, 9, 3 };
    const Quality qualities[] = { good, 0x80000000, good };
    check.holds(testing::aggregate(most, { 0, 0, 10, dt, values, qualities, {} })[0] == 3, "the largest good value");
    check.holds(std::isnan(testing::aggregate(most, { 0, 0, 10, {}, {}, {}, {} })[0]), "no rows, no value");
}

int main() {
    rows_texts_and_keys_pass();
    a_saved_state_can_be_loaded();
    runs_break_where_time_goes_back();
    many_texts_keep_the_order_of_first_use();
    an_aggregation_gives_a_value_or_none();
    return check.report();
}
