// SPDX-License-Identifier: Apache-2.0
// Where the gate was before the HTTP client needed it too.
#pragma once

#include "loop/loop_gate.h"  // IWYU pragma: export
