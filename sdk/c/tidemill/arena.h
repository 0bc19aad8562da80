/* Memory for the length of one call: taken in order, given back all at once.
 *
 * Invariants: every piece is aligned to 16 bytes and stays where it is until `tm_arena_reset`; a large piece has a block of its own;
 * after a reset the arena keeps one block of TM_ARENA_BLOCK bytes, because everything in memory is part of each checkpoint.
 */
#ifndef TIDEMILL_ARENA_H
#define TIDEMILL_ARENA_H

#include "types.h"

#define TM_ARENA_BLOCK ((size_t)32 << 10)

typedef struct tm_block {
    _Alignas(16) struct tm_block *older;
    /* the bytes follow */
} tm_block;

typedef struct tm_arena {
    tm_block *block; /* of TM_ARENA_BLOCK bytes: small pieces come from here; the others hang on it */
    size_t used;     /* bytes of it */
} tm_arena;

/* Memory is out: the host drops the instance and says so in the operator's status. */
TM_INLINE void *tm_checked(void *memory) {
    if (memory == NULL) __builtin_trap();
    return memory;
}

TM_API tm_block *tm_block_new(size_t size, tm_block *older) {
    tm_block *block = (tm_block *)tm_checked(malloc(sizeof(tm_block) + size));
    block->older = older;
    return block;
}

TM_INLINE void *tm_arena_take(tm_arena *arena, size_t size) {
    if (size > SIZE_MAX / 4) __builtin_trap();
    size = (size + 15) & ~(size_t)15;
    if (arena->block == NULL || (size <= TM_ARENA_BLOCK / 4 && size > TM_ARENA_BLOCK - arena->used)) {
        arena->block = tm_block_new(TM_ARENA_BLOCK, arena->block);
        arena->used = 0;
    }
    if (size > TM_ARENA_BLOCK - arena->used) {
        arena->block->older = tm_block_new(size, arena->block->older);
        return arena->block->older + 1;
    }
    char *piece = (char *)(arena->block + 1) + arena->used;
    arena->used += size;
    return piece;
}

/* A copy that lives until the reset. */
TM_API tm_text tm_arena_copy(tm_arena *arena, tm_text text) {
    char *bytes = (char *)tm_arena_take(arena, text.length);
    if (text.length > 0) memcpy(bytes, text.bytes, text.length);
    return (tm_text){ bytes, text.length };
}

TM_API void tm_arena_reset(tm_arena *arena) {
    arena->used = 0;
    if (arena->block == NULL) return;
    for (tm_block *block = arena->block->older; block != NULL;) {
        tm_block *older = block->older;
        free(block);
        block = older;
    }
    arena->block->older = NULL;
}

#endif
