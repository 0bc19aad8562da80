// Memory for the length of one call: taken in order, given back all at once.
//
// Invariants: every piece is aligned to 16 bytes and stays where it is until `reset`; a large piece has a block of its own; after a
// reset the arena keeps one block, because everything in memory is part of each checkpoint.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace tidemill {

class Arena {
public:
    void* take(std::size_t size) {
        if (size > SIZE_MAX / 4) __builtin_trap();
        std::size_t units = (size + sizeof(Unit) - 1) / sizeof(Unit);
        if (units > block_units / 4 && (blocks.empty() || units > block_units - used)) {
            return large.emplace_back(new Unit[units]).get();
        }
        if (blocks.empty() || units > block_units - used) {
            blocks.emplace_back(new Unit[block_units]);
            used = 0;
        }
        Unit* piece = blocks.back().get() + used;
        used += units;
        return piece;
    }

    // A copy that lives until the reset.
    std::string_view copy(std::string_view text) {
        char* bytes = static_cast<char*>(take(text.size()));
        if (!text.empty()) std::memcpy(bytes, text.data(), text.size());
        return { bytes, text.size() };
    }

    void reset() {
        used = 0;
        large.clear();
        if (blocks.size() > 1) blocks.resize(1);
    }

private:
    struct alignas(16) Unit {
        char bytes[16];
    };
    static constexpr std::size_t block_units = 2048; // 32 KiB

    std::vector<std::unique_ptr<Unit[]>> blocks, large;
    std::size_t used = 0; // units of the newest block
};

} // namespace tidemill
