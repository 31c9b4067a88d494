/* Fuzz targets: each file is one libFuzzer program (preset fuzz), fed by tests/fuzz/run with the
 * files of tests/fuzz/corpus/<target>. */
#ifndef LG_FUZZ_H
#define LG_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
