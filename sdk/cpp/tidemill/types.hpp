// The words of the contract: times, qualities, ports, problems.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tidemill {

// Source time: nanoseconds since the Unix epoch, UTC.
using Time = std::int64_t;

// What the rows of a port carry.
enum class Kind : std::uint8_t { number = 0, text = 1 };

struct Port {
    std::string_view name;
    Kind kind = Kind::number;
};

// Quality is a raw OPC UA StatusCode; 0 is good, the two top bits are the severity.
using Quality = std::uint32_t;
inline constexpr Quality good = 0;

constexpr bool is_good(Quality quality) { return quality >> 30 == 0; }
constexpr bool is_bad(Quality quality) { return quality >> 31 != 0; }

// The one of graver severity; `a` if they are equal.
constexpr Quality worst(Quality a, Quality b) {
    auto grave = [](Quality quality) { return is_bad(quality) ? 2 : is_good(quality) ? 0 : 1; };
    return grave(b) > grave(a) ? b : a;
}

// Why a call could not do what it was asked for; `return {};` says that it could.
struct Problem {
    std::uint32_t code = 0; // 0: none; 1: a parameter is wrong; 100 and above: your own
    std::string text;       // lower-case, without full stop; what, where, and what to do

    explicit operator bool() const { return code != 0; }
};

// "parameter `name` complaint", with code 1.
inline Problem wrong_parameter(std::string_view name, std::string_view complaint) {
    return { 1, std::string("parameter `").append(name).append("` ").append(complaint) };
}

} // namespace tidemill
