#pragma once
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/// openat2(2), for which glibc has no function: opens `path` below `folder`. No symbolic link is followed and no `..` leads out,
/// whatever is exchanged while the path is walked. Returns the descriptor, or -1 with errno.
static inline int spindle_open_beneath(int folder, const char *path, int flags, unsigned int mode) {
    struct open_how how;
    memset(&how, 0, sizeof how);
    how.flags = (uint64_t)(unsigned int)flags;
    how.mode = (flags & O_CREAT) ? mode : 0;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

/// renameat2(2) with RENAME_NOREPLACE, which the C library's header shows to some programs only.
static inline int spindle_rename_new(int from_folder, const char *from, int to_folder, const char *to) {
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 1u /* RENAME_NOREPLACE */);
}

/// copy_file_range(2). File systems that can do it share the blocks.
static inline ssize_t spindle_copy_range(int from, int64_t *from_offset, int to, int64_t *to_offset, size_t bytes) {
    return syscall(SYS_copy_file_range, from, from_offset, to, to_offset, bytes, 0u);
}

/// Constants that are shown to GNU programs only: a descriptor that names a file without opening it, and the next hole.
static const int spindle_name_only = 010000000 /* O_PATH */;
static const int spindle_seek_hole = 4 /* SEEK_HOLE */;

/// sync_file_range(2): begins to write a range to the disk, and does not wait for it. It is no promise, and may fail.
static inline int spindle_start_writing(int file, int64_t offset, int64_t bytes) {
    return (int)syscall(SYS_sync_file_range, file, offset, bytes, 2u /* SYNC_FILE_RANGE_WRITE */);
}
