// Rows on their way in, row by row or as columns.
//
// Invariant: the runs cover the columns from the front without holes (the host guarantees it).
#pragma once

#include <cstddef>
#include <span>

#include "types.hpp"

namespace tidemill {

// One sample. In a row of a text port `value` is the number of a text: see `Batch::text`.
struct Row {
    std::uint32_t group = 0, port = 0;
    Time time = 0;
    double value = 0;
    Quality quality = good;
};

// Bytes of the contract: 12 bytes each.
struct RunHead {
    std::uint32_t group, port, rows;
};

// Consecutive rows of one port of one group, ordered by time: the columns themselves, for fast loops.
struct Run {
    std::uint32_t group, port;
    Time t0;
    std::span<const std::int64_t> dt; // row i has the time t0 + dt[i]
    std::span<const double> values;
    std::span<const Quality> qualities; // empty: every row is good
};

// Where an iteration ends.
struct End {};

class Batch {
public:
    Time t0 = 0;
    std::span<const RunHead> heads;
    std::span<const std::int64_t> dt;
    std::span<const double> values;
    std::span<const Quality> qualities; // empty: every row is good
    std::span<const std::string_view> texts;

    class Rows;
    class Runs;

    // `for (Row row : batch.rows())`
    Rows rows() const;
    // `for (Run run : batch.runs())`
    Runs runs() const;

    // The text of a row of a text port; valid until the call returns.
    std::string_view text(const Row& row) const {
        bool known = row.value >= 0 && row.value < static_cast<double>(texts.size());
        return known ? texts[static_cast<std::size_t>(row.value)] : std::string_view();
    }
};

class Batch::Rows {
public:
    explicit Rows(const Batch& batch) : batch(batch) { enter_run(); }
    Rows begin() const { return *this; }
    End end() const { return {}; }

    bool operator!=(End) const { return row != batch.values.size(); }
    Rows& operator++() {
        row++;
        enter_run();
        return *this;
    }
    Row operator*() const {
        return { head.group, head.port, batch.t0 + batch.dt[row], batch.values[row],
                 batch.qualities.empty() ? good : batch.qualities[row] };
    }

private:
    void enter_run() {
        while (row == run_end && run < batch.heads.size()) {
            head = batch.heads[run++];
            run_end += head.rows;
        }
    }

    const Batch& batch;
    RunHead head{};
    std::size_t run = 0, row = 0, run_end = 0;
};

class Batch::Runs {
public:
    explicit Runs(const Batch& batch) : batch(batch) {}
    Runs begin() const { return *this; }
    End end() const { return {}; }

    bool operator!=(End) const { return run != batch.heads.size(); }
    Runs& operator++() {
        row += batch.heads[run++].rows;
        return *this;
    }
    Run operator*() const {
        const RunHead& head = batch.heads[run];
        return { head.group, head.port, batch.t0, batch.dt.subspan(row, head.rows), batch.values.subspan(row, head.rows),
                 batch.qualities.empty() ? batch.qualities : batch.qualities.subspan(row, head.rows) };
    }

private:
    const Batch& batch;
    std::size_t run = 0, row = 0;
};

inline Batch::Rows Batch::rows() const { return Rows(*this); }
inline Batch::Runs Batch::runs() const { return Runs(*this); }

// One closed window of one group, [start, end), with its rows sorted by time: what an aggregation sees.
struct Window {
    std::uint32_t group = 0;
    Time start = 0, end = 0;
    std::span<const std::int64_t> dt; // row i has the time start + dt[i]
    std::span<const double> values;
    std::span<const Quality> qualities;      // empty: every row is good
    std::span<const std::string_view> texts; // of a text port: row i has the text texts[values[i]]

    std::size_t size() const { return values.size(); }
    Time time(std::size_t row) const { return start + dt[row]; }
    Quality quality(std::size_t row) const { return qualities.empty() ? good : qualities[row]; }
};

} // namespace tidemill
