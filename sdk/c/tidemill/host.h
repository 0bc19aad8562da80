/* What the host offers: log lines, and state by key (`kv`) for what is too large for memory or must outlive a new version.
 *
 * A function that is not called is not imported. Natively, log lines go to standard error and `kv` is a list in memory.
 */
#ifndef TIDEMILL_HOST_H
#define TIDEMILL_HOST_H

#include "arena.h"

typedef enum tm_level { TM_ERROR = 0, TM_WARNING = 1, TM_INFORMATION = 2, TM_DEBUG = 3 } tm_level;

#ifdef __wasm__

#define TM_IMPORT(module, function) __attribute__((import_module(module), import_name(function)))
TM_IMPORT("tidemill:plugin/host@0.2.0", "log") void tm_host_log(int32_t level, const char *text, size_t length);
TM_IMPORT("tidemill:plugin/kv@0.2.0", "set")
void tm_host_set(uint32_t group, const char *key, size_t key_length, const char *value, size_t value_length);
TM_IMPORT("tidemill:plugin/kv@0.2.0", "remove") void tm_host_remove(uint32_t group, const char *key, size_t length);

typedef struct tm_found {
    uint8_t some;
    tm_text value; /* in memory of `cabi_realloc` */
} tm_found;
_Static_assert(sizeof(tm_found) == 12, "the return area of kv.get");
TM_IMPORT("tidemill:plugin/kv@0.2.0", "get") void tm_host_get(uint32_t group, const char *key, size_t length, tm_found *);

/* Writes a line to the operator's log. A line per row is too much. */
TM_INLINE void tm_log(tm_level level, tm_text text) { tm_host_log((int32_t)level, text.bytes, text.length); }

/* The value of a key of a group; it is valid until the call returns. False: there is none. */
TM_INLINE bool tm_kv_get(uint32_t group, tm_text key, tm_text *value) {
    tm_found found = { 0 };
    tm_host_get(group, key.bytes, key.length, &found);
    if (found.some != 0) *value = found.value;
    return found.some != 0;
}

TM_INLINE void tm_kv_set(uint32_t group, tm_text key, tm_text value) {
    tm_host_set(group, key.bytes, key.length, value.bytes, value.length);
}

TM_INLINE void tm_kv_remove(uint32_t group, tm_text key) { tm_host_remove(group, key.bytes, key.length); }

#else

#include <stdio.h>

typedef struct tm_kv_entry {
    struct tm_kv_entry *next;
    uint32_t group;
    tm_text key, value;
} tm_kv_entry;

static struct {
    tm_kv_entry *first;
    tm_arena memory;
} tm_kv;

TM_API void tm_log(tm_level level, tm_text text) {
    fprintf(stderr, "log %d: %.*s\n", (int)level, (int)text.length, text.bytes);
}

TM_API tm_kv_entry **tm_kv_find(uint32_t group, tm_text key) {
    tm_kv_entry **place = &tm_kv.first;
    while (*place != NULL && !((*place)->group == group && tm_equal((*place)->key, key))) place = &(*place)->next;
    return place;
}

TM_API bool tm_kv_get(uint32_t group, tm_text key, tm_text *value) {
    tm_kv_entry *entry = *tm_kv_find(group, key);
    if (entry != NULL) *value = entry->value;
    return entry != NULL;
}

TM_API void tm_kv_set(uint32_t group, tm_text key, tm_text value) {
    tm_kv_entry **place = tm_kv_find(group, key);
    if (*place == NULL) {
        *place = (tm_kv_entry *)tm_arena_take(&tm_kv.memory, sizeof(tm_kv_entry));
        **place = (tm_kv_entry){ NULL, group, tm_arena_copy(&tm_kv.memory, key), value };
    }
    (*place)->value = tm_arena_copy(&tm_kv.memory, value);
}

TM_API void tm_kv_remove(uint32_t group, tm_text key) {
    tm_kv_entry **place = tm_kv_find(group, key);
    if (*place != NULL) *place = (*place)->next;
}

#endif

/* The plugin cannot go on: says why and traps. The host drops the instance and restores the last checkpoint. */
TM_API _Noreturn void tm_fail(const char *why) {
    tm_log(TM_ERROR, tm_text_of(why));
    __builtin_trap();
}

#endif
