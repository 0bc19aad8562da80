// State per group, and the bytes in which it moves into another version.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "types.hpp"

namespace tidemill {

// One `T` per group, in a dense vector: groups are numbered without holes, so this is the fastest map there is.
template <class T> class Groups {
public:
    // The item of a group; a new group starts with `T()`. The reference is valid until another group is asked for.
    T& operator[](std::uint32_t group) {
        if (group >= items.size()) [[unlikely]] items.resize(group + std::size_t{ 1 });
        return items[group];
    }

    std::uint32_t size() const { return static_cast<std::uint32_t>(items.size()); }

private:
    std::vector<T> items;
};

// Bytes that `save` writes.
class Writer {
public:
    template <class T> void write(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>, "write members that own memory one by one");
        bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    }

    std::string bytes;
};

// Takes values off a saved state.
class Reader {
public:
    explicit Reader(std::string_view bytes) : bytes(bytes) {}

    // False, and nothing is taken, if there are too few bytes.
    template <class T> bool read(T& value) {
        static_assert(std::is_trivially_copyable_v<T>, "read members that own memory one by one");
        if (bytes.size() < sizeof value) return false;
        std::memcpy(&value, bytes.data(), sizeof value);
        bytes.remove_prefix(sizeof value);
        return true;
    }

    std::string_view bytes; // that are left
};

} // namespace tidemill
