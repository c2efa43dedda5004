#ifndef CCRC32C_H
#define CCRC32C_H
#include <stddef.h>
#include <stdint.h>

/// CRC32C (Castagnoli, reflected polynomial 0x82F63B78) of `length` bytes, going on from `crc`.
/// Start with 0; the result of one call is the start of the next. Uses the processor's instruction where there is one.
uint32_t ccrc32c_extend(uint32_t crc, const void *bytes, size_t length);

/// The same in portable C (slicing by eight), for processors without the instruction and for the tests.
uint32_t ccrc32c_extend_portable(uint32_t crc, const void *bytes, size_t length);

/// 1 if `ccrc32c_extend` uses the processor's instruction on this machine.
int ccrc32c_is_hardware(void);
#endif
