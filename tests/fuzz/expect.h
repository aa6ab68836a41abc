// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <cstdlib>

// What must hold for every input of a fuzz target; the fuzzer keeps the input that breaks it.
#define FUZZ_EXPECT(truth)                                                     \
  do {                                                                         \
    if (!(truth)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #truth); \
      std::abort();                                                            \
    }                                                                          \
  } while (false)
