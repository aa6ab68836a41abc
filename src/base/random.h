// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/backoff.h"

namespace flannel {

// Returns a source of random numbers of its own, seeded by the system.
Random make_random();

}  // namespace flannel
