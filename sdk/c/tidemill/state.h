/* State per group, and the bytes in which it moves into another version.
 *
 * Invariant: groups are numbered without holes, so a dense array is the fastest map there is; a new group starts as zeros.
 */
#ifndef TIDEMILL_STATE_H
#define TIDEMILL_STATE_H

#include "arena.h"

/* One item of equal size per group; all zeros is a table without groups. Items are reached with TM_GROUP. */
typedef struct tm_groups {
    size_t count, room;
    char *items;
} tm_groups;

TM_API void tm_groups_grow(tm_groups *groups, size_t item_size, size_t count) {
    if (count > groups->room) {
        size_t room = groups->room * 2 < count ? count + 8 : groups->room * 2;
        if (room > SIZE_MAX / 4 / item_size) __builtin_trap();
        groups->items = (char *)tm_checked(realloc(groups->items, room * item_size));
        groups->room = room;
    }
    memset(groups->items + groups->count * item_size, 0, (count - groups->count) * item_size);
    groups->count = count;
}

TM_INLINE void *tm_group(tm_groups *groups, size_t item_size, uint32_t group) {
    if (group >= groups->count) tm_groups_grow(groups, item_size, (size_t)group + 1);
    return groups->items + group * item_size;
}

/* The item of a group, a `type *`. It is valid until another group is asked for. Always give the same type for the same table. */
#define TM_GROUP(type, groups, group) ((type *)tm_group(groups, sizeof(type), group))

/* Bytes that `save` writes. */
typedef struct tm_writer {
    char *bytes;
    size_t length, room;
} tm_writer;

TM_API void tm_write(tm_writer *writer, const void *bytes, size_t length) {
    if (length > writer->room - writer->length) {
        size_t room = writer->room * 2 + length;
        writer->bytes = (char *)tm_checked(realloc(writer->bytes, room));
        writer->room = room;
    }
    if (length > 0) memcpy(writer->bytes + writer->length, bytes, length);
    writer->length += length;
}

/* Takes the next bytes off a saved state. False, and nothing is taken, if there are fewer. */
TM_API bool tm_read(tm_text *state, void *bytes, size_t length) {
    if (length > state->length) return false;
    if (length > 0) memcpy(bytes, state->bytes, length);
    *state = (tm_text){ state->bytes + length, state->length - length };
    return true;
}

#endif
