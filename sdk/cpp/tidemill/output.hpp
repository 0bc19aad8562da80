// Rows on their way out.
//
// Invariants: rows leave in the order they were emitted; within a run the time does not go back; a text that several rows share
// stands in the dictionary once, in order of first use; buffers are reused from call to call.
#pragma once

#include <span>
#include <vector>

#include "arena.hpp"
#include "batch.hpp"
#include "host.hpp"

namespace tidemill {

class Output {
public:
    explicit Output(std::span<const Port> ports) : ports(ports) {}

    // Emits a number. Rows may come in any order; those of one group and port are cheapest in a row and by time.
    void emit(std::uint32_t group, std::uint32_t port, Time time, double value, Quality quality = good) {
        if (port >= ports.size() || ports[port].kind != Kind::number) [[unlikely]] {
            fail("a number was emitted on a port that is not one of the number outputs of the plugin");
        }
        push({ group, port, time, value, quality });
    }

    // Emits a text; it is copied.
    void emit_text(std::uint32_t group, std::uint32_t port, Time time, std::string_view text, Quality quality = good) {
        if (port >= ports.size() || ports[port].kind != Kind::text) [[unlikely]] {
            fail("a text was emitted on a port that is not one of the text outputs of the plugin");
        }
        push({ group, port, time, static_cast<double>(number_of(text)), quality });
    }

    // What was emitted in this call.
    Batch batch() const {
        std::span<const Quality> known = qualities;
        return { t0, heads, std::span(dt).first(count), std::span(values).first(count),
                 known.first(has_qualities ? count : 0), texts };
    }

    // The host's side, and tests: rows are taken as they are.
    [[gnu::always_inline]] void push(Row row) {
        if (count == values.size()) [[unlikely]] grow();
        if (count == 0) t0 = row.time;
        auto after = static_cast<std::int64_t>(static_cast<std::uint64_t>(row.time) - static_cast<std::uint64_t>(t0));
        if (heads.empty() || heads.back().group != row.group || heads.back().port != row.port || after < last) {
            heads.push_back({ row.group, row.port, 0 });
        }
        heads.back().rows++;
        last = after;
        dt[count] = after;
        values[count] = row.value;
        qualities[count] = row.quality;
        has_qualities |= row.quality != good;
        count++;
    }

    // Forgets what the last call emitted. The first row of the next one brings room for as many rows as are expected.
    void clear(std::size_t expected) {
        if (values.size() > kept_rows_max) dt = {}, values = {}, qualities = {}, heads = {};
        if (texts.capacity() > kept_rows_max) texts = {}, slots = {};
        if (!texts.empty()) slots.assign(slots.size(), 0);
        heads.clear(), texts.clear();
        text_memory.reset();
        count = 0;
        has_qualities = false;
        rows_expected = expected;
    }

private:
    // Buffers beyond this many rows (1.5 MB) are given back after the call: they would be part of every checkpoint.
    static constexpr std::size_t kept_rows_max = 65536;

    [[gnu::noinline]] void grow() {
        std::size_t room = values.size() < 128 ? 256 : values.size() * 2;
        if (room < rows_expected) room = rows_expected;
        dt.resize(room), values.resize(room), qualities.resize(room);
    }

    std::uint32_t number_of(std::string_view text) {
        if (slots.size() < 2 * (texts.size() + 1)) grow_slots();
        std::uint32_t& slot = slot_of(text);
        if (slot == 0) {
            texts.push_back(text_memory.copy(text));
            slot = static_cast<std::uint32_t>(texts.size());
        }
        return slot - 1;
    }

    // The slot where the text is, or belongs. FNV-1a.
    std::uint32_t& slot_of(std::string_view text) {
        std::uint32_t hash = 2166136261u;
        for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
        std::size_t mask = slots.size() - 1, slot = hash & mask;
        while (slots[slot] != 0 && texts[slots[slot] - 1] != text) slot = (slot + 1) & mask;
        return slots[slot];
    }

    [[gnu::noinline]] void grow_slots() {
        slots.assign(slots.empty() ? 32 : slots.size() * 2, 0);
        for (std::uint32_t i = 0; i < texts.size(); i++) slot_of(texts[i]) = i + 1;
    }

    std::span<const Port> ports;
    Time t0 = 0;           // of the first row
    std::int64_t last = 0; // of the last row, after t0
    std::size_t count = 0; // of rows; the columns are longer
    std::vector<RunHead> heads;
    std::vector<std::int64_t> dt;
    std::vector<double> values;
    std::vector<Quality> qualities;
    bool has_qualities = false; // some row is not 0
    std::vector<std::string_view> texts;
    std::vector<std::uint32_t> slots; // hash table of text numbers + 1
    Arena text_memory;
    std::size_t rows_expected = 0;
};

} // namespace tidemill
