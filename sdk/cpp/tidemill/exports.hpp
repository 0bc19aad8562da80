// The exports of contract 0.2 under their canonical-ABI names: the only place that knows its bytes.
//
// Invariants: lists handed in live in `inputs` until the call returns; results live in the members of `Guest` until the next call, so
// there is no `cabi_post_…`; when an export returns, nothing of its call is needed any more but the result.
#pragma once

#include <cmath>
#include <cstdlib>
#include <new>

#include "plugin.hpp"

namespace tidemill::exports {

static_assert(sizeof(std::string_view) == 8 && sizeof(RunHead) == 12, "elements of lists are laid out as in the contract");

struct List {
    const void* elements;
    std::uint32_t count;
};

template <class Items> List list(const Items& items) { return { items.data(), static_cast<std::uint32_t>(items.size()) }; }

struct PortBytes {
    List name;
    std::uint8_t kind;
};

struct WindowHead {
    std::uint32_t group, rows;
    Time start, end;
};

struct About {
    List name, version, inputs, outputs;
};

struct Failure {
    std::uint32_t code;
    List text;
};

struct ShortArea { // of configure, load and aggregate
    std::uint8_t failed;
    union {
        Failure failure;
        List values;
    };
};

struct Rows {
    Time t0;
    List heads, dt, values, qualities, texts;
};

struct BatchArea { // of process and advance
    alignas(8) std::uint8_t failed;
    union {
        Failure failure;
        Rows rows;
    };
};

static_assert(sizeof(PortBytes) == 12 && sizeof(WindowHead) == 24, "elements as in the contract");
static_assert(sizeof(ShortArea) == 16 && sizeof(BatchArea) == 56, "return areas as in the contract");

// Lists that were handed in.
inline Arena inputs;

template <class Plugin> class Guest {
public:
    // Lives as long as the module.
    static Guest& one() {
        static Guest* guest = new Guest;
        return *guest;
    }

    const void* describe() {
        about = { list(Plugin::name), list(Plugin::version), ports(input_ports, Plugin::inputs),
                  ports(output_ports, Plugin::outputs) };
        return &about;
    }

    const void* configure(std::string_view params) { return short_reply(configured(plugin, params), {}); }

    const void* process(const Batch& batch) {
        out.clear(batch.values.size() + batch.values.size() / 8);
        return batch_reply(plugin.process(batch, out));
    }

    const void* advance(Time watermark) {
        out.clear(0);
        return batch_reply(advanced(plugin, watermark, out));
    }

    const void* aggregate(std::span<const WindowHead> heads, const Window& columns) {
        constexpr std::size_t width = std::size(Plugin::outputs);
        values.assign(heads.size() * width, std::nan(""));
        Problem problem;
        std::size_t row = 0, window = 0;
        for (const WindowHead& head : heads) {
            Window rows = { head.group, head.start, head.end, columns.dt.subspan(row, head.rows),
                            columns.values.subspan(row, head.rows), columns.qualities, columns.texts };
            if (!rows.qualities.empty()) rows.qualities = rows.qualities.subspan(row, head.rows);
            problem = plugin.aggregate(rows, std::span(values).subspan(window, width));
            if (problem) break;
            row += head.rows;
            window += width;
        }
        return short_reply(std::move(problem), list(values));
    }

    const void* save(std::span<const std::uint32_t> groups) {
        std::vector<std::size_t> ends;
        writer.bytes.clear();
        for (std::uint32_t group : groups) {
            plugin.save(group, writer);
            ends.push_back(writer.bytes.size());
        }
        states.clear();
        for (std::size_t start = 0; std::size_t end : ends) {
            states.push_back({ writer.bytes.data() + start, static_cast<std::uint32_t>(end - start) });
            start = end;
        }
        saved = list(states);
        inputs.reset();
        return &saved;
    }

    const void* load(std::span<const std::uint32_t> groups, std::span<const std::string_view> given) {
        Problem problem;
        for (std::size_t i = 0; i < groups.size() && !problem; i++) {
            Reader reader(given[i]);
            if (!given[i].empty()) problem = plugin.load(groups[i], reader);
        }
        return short_reply(std::move(problem), {});
    }

private:
    template <std::size_t count> static List ports(PortBytes (&to)[count], const Port (&from)[count]) {
        for (std::size_t i = 0; i < count; i++) to[i] = { list(from[i].name), static_cast<std::uint8_t>(from[i].kind) };
        return { to, count };
    }

    Failure failure_of(Problem problem) {
        last_problem = std::move(problem);
        return { last_problem.code, list(last_problem.text) };
    }

    const void* short_reply(Problem problem, List values) {
        small = { .failed = static_cast<bool>(problem), .values = values };
        if (problem) small.failure = failure_of(std::move(problem));
        inputs.reset();
        return &small;
    }

    const void* batch_reply(Problem problem) {
        Batch batch = out.batch();
        large = { .failed = static_cast<bool>(problem),
                  .rows = { batch.t0, list(batch.heads), list(batch.dt), list(batch.values), list(batch.qualities),
                            list(batch.texts) } };
        if (problem) large.failure = failure_of(std::move(problem));
        inputs.reset();
        return &large;
    }

    Plugin plugin{};
    Output out{ Plugin::outputs };
    Problem last_problem;
    std::vector<double> values;
    Writer writer;
    std::vector<List> states;
    PortBytes input_ports[std::size(Plugin::inputs)], output_ports[std::size(Plugin::outputs)];
    About about;
    ShortArea small;
    BatchArea large;
    List saved;
};

} // namespace tidemill::exports

#define TIDEMILL_EXPORT(function) extern "C" __attribute__((export_name(function)))

// Without exceptions, what the standard library cannot do (no memory, an index out of range) traps, and the host drops the instance.
// Both are replacements that C++ and libc++ provide for; the originals would print, for which they import WASI.
#define TIDEMILL_EXPORT_COMMON(Class) \
    void* operator new(std::size_t size) { \
        void* memory = std::malloc(size == 0 ? 1 : size); \
        if (memory == nullptr) __builtin_trap(); \
        return memory; \
    } \
    void operator delete(void* memory) noexcept { std::free(memory); } \
    void operator delete(void* memory, std::size_t) noexcept { std::free(memory); } \
    _LIBCPP_BEGIN_NAMESPACE_STD \
    [[noreturn]] void __libcpp_verbose_abort(const char*, ...) noexcept { __builtin_trap(); } \
    _LIBCPP_END_NAMESPACE_STD \
    using TidemillGuest = tidemill::exports::Guest<Class>; \
    TIDEMILL_EXPORT("contract") std::uint32_t tidemill_contract() { return 2; } \
    TIDEMILL_EXPORT("describe") const void* tidemill_describe() { return TidemillGuest::one().describe(); } \
    TIDEMILL_EXPORT("configure") const void* tidemill_configure(const char* params, std::size_t length) { \
        return TidemillGuest::one().configure({ params, length }); \
    } \
    TIDEMILL_EXPORT("cabi_realloc") \
    void* tidemill_realloc(void* old, std::size_t old_size, std::size_t align, std::size_t size) { \
        void* memory = tidemill::exports::inputs.take(size); \
        if (align > 16) __builtin_trap(); \
        if (old_size > 0) std::memcpy(memory, old, old_size < size ? old_size : size); \
        return memory; \
    }

#define TIDEMILL_CALCULATION(Class) \
    TIDEMILL_EXPORT_COMMON(Class) \
    TIDEMILL_EXPORT("process") const void* tidemill_process( \
        std::int64_t t0, const tidemill::RunHead* heads, std::size_t head_count, const std::int64_t* dt, \
        std::size_t dt_count, const double* values, std::size_t value_count, const std::uint32_t* qualities, \
        std::size_t quality_count, const std::string_view* texts, std::size_t text_count) { \
        return TidemillGuest::one().process({ t0, { heads, head_count }, { dt, dt_count }, { values, value_count }, \
                                              { qualities, quality_count }, { texts, text_count } }); \
    } \
    TIDEMILL_EXPORT("advance") const void* tidemill_advance(std::int64_t watermark) { \
        return TidemillGuest::one().advance(watermark); \
    }

#define TIDEMILL_DURABLE_CALCULATION(Class) \
    TIDEMILL_CALCULATION(Class) \
    TIDEMILL_EXPORT("save") const void* tidemill_save(const std::uint32_t* groups, std::size_t count) { \
        return TidemillGuest::one().save({ groups, count }); \
    } \
    TIDEMILL_EXPORT("load") const void* tidemill_load(const std::uint32_t* groups, std::size_t count, \
                                                      const std::string_view* states, std::size_t state_count) { \
        return TidemillGuest::one().load({ groups, count }, { states, state_count }); \
    }

#define TIDEMILL_AGGREGATION(Class) \
    TIDEMILL_EXPORT_COMMON(Class) \
    TIDEMILL_EXPORT("aggregate") const void* tidemill_aggregate( \
        const tidemill::exports::WindowHead* heads, std::size_t head_count, const std::int64_t* dt, \
        std::size_t dt_count, const double* values, std::size_t value_count, const std::uint32_t* qualities, \
        std::size_t quality_count, const std::string_view* texts, std::size_t text_count) { \
        return TidemillGuest::one().aggregate( \
            { heads, head_count }, \
            { 0, 0, 0, { dt, dt_count }, { values, value_count }, { qualities, quality_count }, { texts, text_count } }); \
    }
