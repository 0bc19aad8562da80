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
        if (group >= count) [[unlikely]] grow(group);
        return items[group];
    }

    std::uint32_t size() const { return count; }

private:
    [[gnu::noinline]] void grow(std::uint32_t group) {
        count = group + 1;
        items.resize(count);
    }

    std::vector<T> items;
    std::uint32_t count = 0; // of the vector; asking it costs a division
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
